"""Read change events by sequence number."""

from typing import NamedTuple

import apsw

from tasuki.database.sqlite import fetch_all, fetch_one

__all__ = ["ChangeEvent", "EventSpan", "read_event_span", "read_events_after"]


class ChangeEvent(NamedTuple):
    """One event: `data` is the JSON object to send.

    An event of a job (project `JOBS`) is for its user alone.
    """

    sequence: int
    project: str
    run: str
    data: str

    @property
    def user(self) -> str:
        """Return the user of the job that the event is about."""
        return self.run


class EventSpan(NamedTuple):
    """The first and the last event that are kept; (1, 0) before the first."""

    first: int
    last: int


def read_event_span(db: apsw.Connection) -> EventSpan:
    """Return the ids of the events that are kept."""
    first, last = fetch_one(db, "SELECT (SELECT min(sequence) FROM event), (SELECT max(sequence) FROM event)")
    return EventSpan(first or 1, last or 0)


def read_events_after(db: apsw.Connection, sequence: int, limit: int) -> list[ChangeEvent]:
    """The events behind `sequence`, in order."""
    statement = "SELECT sequence, project, run, data FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [ChangeEvent(*row) for row in fetch_all(db, statement, (sequence, limit))]
