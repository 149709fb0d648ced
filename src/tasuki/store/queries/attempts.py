"""Status of an attempt: its recorded end, or a status derived from its job and its streams."""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import apsw

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.records import JobStatus, Status
from tasuki.store.queries.statements import JOB_OF_ATTEMPT, SILENT_AFTER_US

__all__ = ["TRACKER_SILENT_AFTER_US", "AttemptOutcome", "AttemptQueries", "AttemptStart"]

TRACKER_SILENT_AFTER_US = 600_000_000
"""Silence after which another tracker's attempt counts as finished.

Such an attempt writes no heartbeat, and may end without a record.
"""
STATUSES_BY_WORD = {status.value: status for status in Status}
"""Each status by its recorded value; a lookup is faster than `Status(value)`."""


class AttemptStart(NamedTuple):
    """A stream that records the start of an attempt.

    `complete`: whether the stream is sealed. `clock`: the clock of its latest record.
    """

    writer: str
    is_complete: bool
    clock: int


class AttemptOutcome(IntEnum):
    """State of an attempt without a recorded end: running, silent (it may still report), or over."""

    RUNNING = 0
    SILENT = 1
    OVER = 2


class AttemptQueries:
    """Queries on attempts, and the base of all other queries: one connection inside a read transaction.

    `find_outcome(streams, silent_us)` returns the outcome of an attempt without a recorded end.
    """

    def __init__(self, db: apsw.Connection, find_outcome: Callable[[list[AttemptStart], int], AttemptOutcome]) -> None:
        self.db = db
        self.find_outcome = find_outcome

    def status(self, run: int, attempt: str | None, recorded: str | None, tracker: str | None = None) -> Status:
        """Return an attempt's status: the recorded one if final, else derived from its job or its streams.

        `tracker` names the other tracker that recorded the attempt. Such an attempt may end without a record.
        """
        if recorded is not None and recorded != Status.RUNNING:
            return STATUSES_BY_WORD[recorded]
        if recorded is not None and tracker is None:
            return self.status_of_job(run, attempt)
        silent_us = SILENT_AFTER_US if tracker is None else TRACKER_SILENT_AFTER_US
        if not attempt or self.find_outcome(self.attempt_streams(run, attempt), silent_us) is AttemptOutcome.RUNNING:
            return Status.RUNNING
        return Status.CRASHED if tracker is None else Status.FINISHED

    def status_of_job(self, run: int, attempt: str | None) -> Status:
        """Return the status of an attempt that its job recorded as running: it ends with the job's attempt."""
        row = fetch_one(self.db, JOB_OF_ATTEMPT, (run, attempt))
        if row is None or (row[1] and row[2]):
            return Status.RUNNING
        return Status.FINISHED if row[0] == JobStatus.COMPLETED and row[2] else Status.FAILED

    def attempt_streams(self, run: int, attempt: str) -> list[AttemptStart]:
        """Return the streams that record the start of an attempt."""
        found = fetch_all(
            self.db,
            "SELECT a.writer, coalesce(w.sealed, 0), coalesce(w.clock, 0)"
            " FROM attempt_writer a LEFT JOIN writer w ON w.id = a.writer WHERE a.run = ? AND a.attempt = ?",
            (run, attempt),
        )
        return [AttemptStart(*row) for row in found]
