"""Check the demo: compare the calls that were logged with what the server answers."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tasuki.client.verify_remote import ServerStreams, VerifyResult, compare_with_remote
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.demo.run import ACCURACY_METRIC, LOSS_METRIC
from tasuki.errors import MissingRecords, NotFound
from tasuki.journal import JournalFolder
from tasuki.records import HistoryRow, MetricSummary, RunRow, Status
from tasuki.relay import open_remote_state
from tasuki.settings import Settings
from tasuki.store import Query

__all__ = [
    "PROJECT",
    "CheckResult",
    "DemoRunStatus",
    "check_call_log",
    "compare_streams",
    "get_last_value",
    "list_run_statuses",
    "wait_for_projection",
]

PROJECT = "digits"
CATCH_UP_SECONDS = 30.0
MAX_LISTED = 3
"""How many missing calls of a run a problem names."""


class LoggedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the training process: start, `log()` call, alert, or end. Floats are in hex."""

    run: str
    name: str | None = None
    step: int | None = None
    values: dict[str, str] | None = None
    alert: str | None = None
    status: Status | None = None


class DemoRunStatus(NamedTuple):
    """Status of one run of the demo."""

    name: str
    step: int | None
    loss: float | None
    best_loss: float | None
    accuracy: float | None
    best_accuracy: float | None
    status: Status
    id: str


class CheckResult(NamedTuple):
    """Result of the check."""

    records: int
    runs: int
    problems: list[str]


def compare_streams(settings: Settings, remote: str, runs: Collection[str]) -> VerifyResult:
    """The streams of some runs, here and on the server."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    with ServerStreams(remote, settings.key(remote)) as peer:
        return compare_with_remote(folder, peer, open_remote_state(settings.dir, remote), project=PROJECT, runs=runs)


def list_run_statuses(query: Query, group: str) -> list[DemoRunStatus]:
    """The demo's runs, the oldest first; none before the first has begun."""
    try:
        runs = [run for run in query.runs(PROJECT) if run.group == group]
    except NotFound:
        return []
    summaries = {
        (summary.run, summary.metric): summary
        for summary in query.summaries(PROJECT, [run.id for run in runs], [LOSS_METRIC, ACCURACY_METRIC])
    }
    return [build_run_status(run, summaries.get((run.id, LOSS_METRIC)), summaries.get((run.id, ACCURACY_METRIC))) for run in runs]


def build_run_status(run: RunRow, loss: MetricSummary | None, accuracy: MetricSummary | None) -> DemoRunStatus:
    """Build the status of one run."""
    return DemoRunStatus(
        name=run.name,
        step=loss.last_step if loss else None,
        loss=get_last_value(loss),
        best_loss=loss.min if loss else None,
        accuracy=get_last_value(accuracy),
        best_accuracy=accuracy.max if accuracy else None,
        status=run.status,
        id=run.id,
    )


def get_last_value(summary: MetricSummary | None) -> float | None:
    """A metric's last value; None if there is none yet."""
    if summary is None:
        return None
    return float("nan") if summary.last is None else summary.last


def wait_for_projection(query: Query, clock: Clock = SYSTEM_CLOCK) -> None:
    """Ask until the answer has everything. MissingRecords if it never does."""
    deadline = clock.monotonic() + CATCH_UP_SECONDS
    query.projects()
    while query.missing:
        query.projects()
        if query.missing and clock.monotonic() > deadline:
            raise MissingRecords(f"the store is {query.missing:,} records behind its journals", hint="tasuki doctor")


def check_call_log(query: Query, call_log: Path) -> CheckResult:
    """Compare the call log with the store: every record once, with exact values and steps."""
    decode = msgspec.json.Decoder(LoggedCall).decode
    lines = [decode(line) for line in call_log.read_bytes().splitlines()]
    runs: dict[str, list[LoggedCall]] = {}
    for line in lines:
        runs.setdefault(line.run, []).append(line)
    problems = [problem for run, its_lines in runs.items() for problem in check_run(query, run, its_lines)]
    return CheckResult(len(lines), len(runs), problems)


def check_run(query: Query, run: str, logged_calls: list[LoggedCall]) -> list[str]:
    """Return the differences between call log and store for one run."""
    try:
        row = query.run(PROJECT, run)
    except NotFound:
        return [f"run {run} is not there"]
    problems = []
    for line in logged_calls:
        if line.name not in (None, row.name):
            problems.append(f"{line.name}: its name is {row.name} there")
        if line.status not in (None, row.status):
            problems.append(f"{row.name}: it {line.status}, and is {row.status} there")
    said = Counter(line.alert for line in logged_calls if line.alert)
    told = Counter(alert.title for alert in query.alerts(PROJECT, run))
    made = Counter(get_logged_key(line) for line in logged_calls if line.values is not None)
    stored = Counter(get_stored_key(call) for call in query.history(PROJECT, run))
    problems += describe_differences(row.name, "alerts", said, told)
    return problems + describe_differences(row.name, "calls of log()", made, stored)


def get_logged_key(line: LoggedCall) -> tuple[int | None, frozenset[tuple[str, str]]]:
    """Return the key of a call: its step and exact values."""
    return line.step, frozenset((line.values or {}).items())


def get_stored_key(row: HistoryRow) -> tuple[int | None, frozenset[tuple[str, str]]]:
    """The same of a call in the store."""
    return row.step, frozenset((name, value.hex()) for name, value in row.metrics.items())


def describe_differences(name: str, kind: str, logged: "Counter[Any]", stored: "Counter[Any]") -> list[str]:
    """Describe records that are missing, extra, or duplicate."""
    found = []
    for words, odd in (("are missing", logged - stored), ("are too many", stored - logged)):
        if odd:
            found.append(f"{name}: {odd.total()} {kind} {words}: {', '.join(map(str, list(odd)[:MAX_LISTED]))}")
    return found
