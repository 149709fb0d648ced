"""Stall detector: record an alert for a running run that logs nothing for a configured time."""

import asyncio
import logging
from typing import Any, NamedTuple

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import NotFound, TasukiError
from tasuki.records import Alert, AlertReason, Status, encode
from tasuki.server.http.problems import HttpProblem
from tasuki.server.workers.edit_writer import append_edit
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.store import Queries, RunActivity, read_activity_since

__all__ = ["StallDetector"]

MAX_CHECK_INTERVAL_SECONDS = 15.0
CHECKS_PER_STALL_TIME = 4
"""How often it looks within the time after which a run is stalled."""
CLOCK_TOLERANCE_US = 3_600_000_000
"""Hosts' clocks may be wrong by that much."""
log = logging.getLogger("tasuki.server")


class StallState(NamedTuple):
    """Last activity of a run, the monotonic time of its last change, and whether a stall was reported."""

    activity: RunActivity
    since: float
    is_reported: bool = False


class StalledRun(NamedTuple):
    """A stalled run: its activity, its attempt, and its last logged step."""

    activity: RunActivity
    attempt: int
    step: int | None


class StallDetector:
    """Detects stalled runs. For the event loop only. `minutes`: time without activity (0: never stalled).

    Time is measured by the server's own clock from the last observed activity, so wrong clocks of hosts do not matter.
    """

    def __init__(self, readers: ReaderPool, committer: GroupCommitter, *, minutes: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self.readers = readers
        self.committer = committer
        self.minutes = minutes
        self.clock = clock
        self.states: dict[tuple[str, str], StallState] = {}

    async def run(self) -> None:
        """Check for stalled runs until cancelled; return immediately if `minutes` is 0."""
        while self.minutes:
            await asyncio.sleep(min(MAX_CHECK_INTERVAL_SECONDS, 60 * self.minutes / CHECKS_PER_STALL_TIME))
            try:
                await self.check()
            except (TasukiError, HttpProblem, apsw.Error):
                log.warning("looking for stalled runs failed", exc_info=True)

    async def check(self) -> None:
        """Record an alert for every run that has stalled since the last check."""
        for stalled in await self.readers.run_in_thread(self.readers.run_query_now, self.find_stalled_runs):
            await append_edit(self.committer, stalled.activity.project, stalled.activity.run, encode(self.build_alert(stalled)))

    def build_alert(self, stalled_run: StalledRun) -> Alert:
        """Build the alert of a stalled run."""
        return Alert(
            time=self.clock.now_us(),
            title=f"no progress for {self.minutes:g} minutes",
            reason=AlertReason.STALLED,
            step=stalled_run.step,
            data={"minutes": self.minutes} | build_stall_data(stalled_run.activity, stalled_run.attempt),
        )

    # -- in a reader thread

    def find_stalled_runs(self, queries: Queries, _: int) -> list[StalledRun]:
        """Return the newly stalled runs, and update the observed activity of all recent runs."""
        now = self.clock.monotonic()
        recent = {
            (logged.project, logged.run): logged
            for logged in read_activity_since(
                queries.db, self.clock.now_us() - CLOCK_TOLERANCE_US - round(60_000_000 * self.minutes)
            )
        }
        self.states = {key: update_state(self.states.get(key), logged, now) for key, logged in recent.items()}
        found = []
        for key, seen in self.states.items():
            if not seen.is_reported and now - seen.since >= 60 * self.minutes:
                self.states[key] = seen._replace(is_reported=True)
                found += check_run(queries, recent[key])
        return found


def update_state(before: StallState | None, activity: RunActivity, now: float) -> StallState:
    """Return the previous state if the activity is unchanged, else a new one."""
    return before if before is not None and before.activity == activity else StallState(activity, now)


def build_stall_data(activity: RunActivity, attempt: int) -> dict[str, Any]:
    """Return the data that identifies a stall, so that each is reported once, also across server restarts."""
    return {"attempt": attempt, "points": activity.points, "done": activity.done}


def check_run(queries: Queries, activity: RunActivity) -> list[StalledRun]:
    """Return the run as stalled if it is running and this stall has no alert yet, else an empty list."""
    try:
        run = queries.run(activity.project, activity.run)
    except NotFound:
        return []
    if run.status is not Status.RUNNING:
        return []
    said = queries.alerts(activity.project, activity.run, reason=AlertReason.STALLED)
    if any(build_stall_data(activity, run.attempt).items() <= (alert.data or {}).items() for alert in said):
        return []
    steps = [summary.last_step for summary in queries.summaries(activity.project, [activity.run])]
    return [StalledRun(activity, run.attempt, max(steps, default=None))]
