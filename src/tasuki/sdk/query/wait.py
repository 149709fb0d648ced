"""Wait for a run: until a condition on a metric holds, it has ended, or it makes no progress."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import ConfigError, NotFound, RemoteUnavailable
from tasuki.records import SYSTEM_METRIC_PREFIX, MetricSummary, RunRow, Status
from tasuki.store import Query, suggest_names

__all__ = ["STALLED_AFTER", "Condition", "WaitOutcome", "WaitResult", "parse_condition", "wait_for_run"]

STALLED_AFTER = timedelta(minutes=10)
MIN_POLL_SECONDS = 0.2
MAX_POLL_SECONDS = 2.0
MAX_OUTAGE_SECONDS = 60.0
"""So long a server that has answered may be away."""
CONDITION_PATTERN = re.compile(r"\s*(?P<metric>[^<>]*[^<>=\s])\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[^<>=\s]+)\s*")


class Condition(NamedTuple):
    """A condition: true as soon as any value that was logged satisfies it."""

    metric: str
    operator: str
    limit: float

    def __str__(self) -> str:
        return f"{self.metric}{self.operator}{self.limit:g}"

    def find_match(self, summary: MetricSummary) -> tuple[float, int] | None:
        """The extreme value that satisfies it, and its step; None if none does."""
        value, step = (summary.min, summary.min_step) if self.operator[0] == "<" else (summary.max, summary.max_step)
        if value is None or step is None:
            return None
        passes = {"<": value < self.limit, "<=": value <= self.limit, ">": value > self.limit, ">=": value >= self.limit}
        return (value, step) if passes[self.operator] else None


class WaitOutcome(StrEnum):
    """Outcome of a wait."""

    TRUE = "true"
    ENDED = "ended"
    STALLED = "stalled"
    TIMEOUT = "timeout"


class WaitResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a wait: the run's latest row, and the value that satisfied the condition."""

    outcome: WaitOutcome
    run: RunRow
    value: float | None = None
    step: int | None = None
    seconds: float


def parse_condition(text: str) -> Condition:
    """A condition as it is typed: a metric, one of < <= > >=, a number. ConfigError for anything else."""
    hint = "a metric, one of < <= > >=, a number: 'val/acc>0.97'"
    match = CONDITION_PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no condition", hint=hint)
    try:
        limit = float(match["limit"])
    except ValueError:
        raise ConfigError(f"{match['limit']!r} is no number", hint=hint) from None
    if limit != limit:
        raise ConfigError("nothing is less or more than NaN", hint=hint)
    return Condition(match["metric"], match["sign"], limit)


def wait_for_run(  # noqa: PLR0913 - whom, which, until when
    query: Query,
    project: str,
    ref: str,
    *,
    until: Condition | None = None,
    timeout: timedelta | None = None,
    stalled_after: timedelta = STALLED_AFTER,
    clock: Clock = SYSTEM_CLOCK,
) -> WaitResult:
    """Wait until the condition is true, or, without one, until the run has ended well.

    It ends otherwise when the run has ended, when it has logged nothing for as long as `stalled_after` while this watched, and when
    the time is over. NotFound if there is no such run; RemoteUnavailable if a server can't be reached at first, or for a minute.
    """
    began = quiet_since = clock.monotonic()
    seen, pause = read_snapshot(query, project, ref, until), MIN_POLL_SECONDS
    logged, came = seen.progress, count_training_progress(query, seen.run)
    while True:
        now = clock.monotonic()
        if seen.progress != logged:
            before, logged, came = came, seen.progress, count_training_progress(query, seen.run)
            quiet_since = quiet_since if came == before else now
        outcome = determine_outcome(seen, until, stalled=now - quiet_since >= stalled_after.total_seconds())
        left = None if timeout is None else timeout.total_seconds() - (now - began)
        if outcome is None and left is not None and left <= 0:
            outcome = WaitOutcome.TIMEOUT
        if outcome is not None:
            value, step = seen.match or (None, None)
            return WaitResult(outcome=outcome, run=seen.run, value=value, step=step, seconds=now - began)
        clock.sleep(pause if left is None else min(pause, left))
        pause = min(pause * 1.5, MAX_POLL_SECONDS)
        seen = read_snapshot_with_retry(query, seen.run, until, clock)


class RunSnapshot(NamedTuple):
    """A run, and the value that satisfies the condition, if one does."""

    run: RunRow
    match: tuple[float, int] | None

    @property
    def progress(self) -> tuple[int, int]:
        """Return the amount of progress on record: values and loop rounds."""
        return self.run.points, self.run.progress.done if self.run.progress else 0


def count_training_progress(query: Query, run: RunRow) -> tuple[int, int]:
    """Return a run's progress: values logged (without system metrics), and loop rounds."""
    values = sum(row.n for row in query.summaries(run.project, [run.id]) if not row.metric.startswith(SYSTEM_METRIC_PREFIX))
    return values, run.progress.done if run.progress else 0


def read_snapshot(query: Query, project: str, ref: str, until: Condition | None) -> RunSnapshot:
    """The run as it is now. NotFound for one that has ended without ever logging the metric."""
    run = query.run(project, ref)
    if until is None:
        return RunSnapshot(run, None)
    found = query.summaries(project, [run.id], [until.metric])
    if not found and run.status.is_final:
        names = [summary.metric for summary in query.summaries(project, [run.id])]
        hint = suggest_names(until.metric, names) if names else "it has logged nothing"
        raise NotFound(f"run {run.id!r} ({run.name}) has no metric {until.metric!r}", hint=hint)
    return RunSnapshot(run, until.find_match(found[0]) if found else None)


def read_snapshot_with_retry(query: Query, run: RunRow, until: Condition | None, clock: Clock) -> RunSnapshot:
    """The same, of a server that may be away for a while."""
    deadline = clock.monotonic() + MAX_OUTAGE_SECONDS
    while True:
        try:
            return read_snapshot(query, run.project, run.id, until)
        except RemoteUnavailable:
            if clock.monotonic() >= deadline:
                raise
            clock.sleep(MAX_POLL_SECONDS)


def determine_outcome(snapshot: RunSnapshot, until: Condition | None, *, stalled: bool) -> WaitOutcome | None:
    """Return the outcome of the wait; None if it goes on."""
    if snapshot.match is not None or (until is None and snapshot.run.status is Status.FINISHED):
        return WaitOutcome.TRUE
    if snapshot.run.status.is_final:
        return WaitOutcome.ENDED
    return WaitOutcome.STALLED if stalled else None
