"""Stalls: a run whose process lives and that logs nothing for a while gets an alert, which the server puts among its records."""

import asyncio
import logging
from typing import Any, NamedTuple

import apsw

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import NotFound, TasukiError
from tasuki.records import Alert, AlertReason, Status, encode
from tasuki.server.http.problems import HttpProblem
from tasuki.server.workers.edit_writer import append_edit
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.store import Queries, RunActivity, logged_since

__all__ = ["StallDetector"]

LONGEST_PAUSE_SECONDS = 15.0
LOOKS = 4
"""How often it looks within the time after which a run is stalled."""
RECENT_US = 3_600_000_000
"""Hosts' clocks may be wrong by that much."""
log = logging.getLogger("tasuki.server")


class StallState(NamedTuple):
    """How far a run had come, since when that has been so, and whether no more is to be said of it."""

    logged: RunActivity
    since: float
    told: bool = False


class StalledRun(NamedTuple):
    """A run that does not go on."""

    run: RunActivity
    attempt: int
    step: int | None


class StallDetector:
    """Looks from the event loop. Time is the server's own: since when it has seen no more of a run, whatever its host says."""

    def __init__(self, readers: ReaderPool, committer: GroupCommitter, *, minutes: float, clock: Clock = SYSTEM) -> None:
        self.readers = readers
        self.committer = committer
        self.minutes = minutes
        self.clock = clock
        self.seen: dict[tuple[str, str], StallState] = {}

    async def run(self) -> None:
        """Look again and again; never, if nothing counts as a stall."""
        while self.minutes:
            await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, 60 * self.minutes / LOOKS))
            try:
                await self.look()
            except (TasukiError, HttpProblem, apsw.Error):
                log.warning("looking for stalled runs failed", exc_info=True)

    async def look(self) -> None:
        """Raise an alert for every run that has stalled since the last look."""
        for stalled in await self.readers.in_thread(self.readers.peek, self.stalled):
            await append_edit(self.committer, stalled.run.project, stalled.run.run, encode(self.alert(stalled)))

    def alert(self, stalled: StalledRun) -> Alert:
        """What is said of it."""
        return Alert(
            time=self.clock.now_us(),
            title=f"no progress for {self.minutes:g} minutes",
            reason=AlertReason.STALLED,
            step=stalled.step,
            data={"minutes": self.minutes} | mark(stalled.run, stalled.attempt),
        )

    # -- in a thread

    def stalled(self, questions: Queries, _: int) -> list[StalledRun]:
        """The runs that have stalled and of which that has not been said."""
        now = self.clock.monotonic()
        recent = {
            (logged.project, logged.run): logged
            for logged in logged_since(questions.db, self.clock.now_us() - RECENT_US - round(60_000_000 * self.minutes))
        }
        self.seen = {key: seen_now(self.seen.get(key), logged, now) for key, logged in recent.items()}
        found = []
        for key, seen in self.seen.items():
            if not seen.told and now - seen.since >= 60 * self.minutes:
                self.seen[key] = seen._replace(told=True)
                found += look_at(questions, recent[key])
        return found


def seen_now(before: StallState | None, logged: RunActivity, now: float) -> StallState:
    """What is seen of a run now: the same, unless it has come further."""
    return before if before is not None and before.logged == logged else StallState(logged, now)


def mark(logged: RunActivity, attempt: int) -> dict[str, Any]:
    """Where a run has stalled: there it is said once."""
    return {"attempt": attempt, "points": logged.points, "done": logged.done}


def look_at(questions: Queries, logged: RunActivity) -> list[StalledRun]:
    """A run that has logged nothing for long: stalled, if it runs, and if that was not said before the server's last start."""
    try:
        run = questions.run(logged.project, logged.run)
    except NotFound:
        return []
    if run.status is not Status.RUNNING:
        return []
    said = questions.alerts(logged.project, logged.run, reason=AlertReason.STALLED)
    if any(mark(logged, run.attempt).items() <= (alert.data or {}).items() for alert in said):
        return []
    steps = [summary.last_step for summary in questions.summaries(logged.project, [logged.run])]
    return [StalledRun(logged, run.attempt, max(steps, default=None))]
