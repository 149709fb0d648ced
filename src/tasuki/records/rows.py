"""Row types returned by queries, and the payload of a run edit. Times are microseconds UTC.

The same for a folder and over HTTP.
"""

import math
from typing import Any

import msgspec

from tasuki.records.schema import AlertLevel, NoteKind, Status

__all__ = [
    "AlertRow",
    "FileRow",
    "HistoryRow",
    "MetricRange",
    "MetricSummary",
    "NoteRow",
    "ProgressRow",
    "ProjectOverview",
    "ProjectRow",
    "RunEdit",
    "RunRow",
    "StopRow",
    "TextRow",
    "encode_json_number",
    "make_json_safe",
]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all rows."""


class ProjectRow(Row, frozen=True, kw_only=True):
    """A project: how many runs it has, and when the last record of it was made."""

    name: str
    runs: int
    updated: int


class StopRow(Row, frozen=True, kw_only=True):
    """A request to stop an attempt: when it was made, why, and by whom."""

    time: int
    reason: str | None = None
    by: str | None = None


class ProgressRow(Row, frozen=True, kw_only=True):
    """Progress of an attempt at a time: rounds done, total, and rounds per second."""

    time: int
    done: int
    total: int | None = None
    rate: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """About how many seconds there were to go; None where that can't be told."""
        return (self.total - self.done) / self.rate if self.total is not None and self.rate else None


class RunRow(Row, frozen=True, kw_only=True):
    """A run, as its highest attempt has it. `status` is what is known now; `points` counts logged values."""

    project: str
    id: str
    name: str
    status: Status
    group: str | None = None
    notes: str | None = None
    tags: list[str] = []
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    attempt: int = 1
    reason: str | None = None
    created: int
    updated: int
    ended: int | None = None
    points: int = 0
    lost: int = 0
    attempt_id: str | None = None
    stop: StopRow | None = None
    progress: ProgressRow | None = None


class MetricSummary(msgspec.Struct, frozen=True, gc=False):
    """One metric of one run.

    `n` counts all points; NaN is None; `min` and `max` ignore NaN, earliest of equals.
    """

    run: str
    metric: str
    n: int
    first: float | None
    first_step: int
    last: float | None
    last_step: int
    last_time: int
    min: float | None
    min_step: int | None
    max: float | None
    max_step: int | None


class MetricRange(Row, frozen=True, kw_only=True):
    """One metric over all runs of a project: number of runs, minimum and maximum with their runs.

    Of equals it is the run that was created first. All four are None where nothing but NaN was logged.
    """

    metric: str
    runs: int
    min: float | None
    min_run: str | None
    max: float | None
    max_run: str | None


class ProjectOverview(Row, frozen=True, kw_only=True):
    """Overview of a project.

    `statuses` counts runs, `alerts` counts by level, `points` counts logged values.
    """

    project: str
    runs: int
    statuses: dict[Status, int]
    points: int
    lost: int
    created: int | None
    updated: int | None
    metrics: list[MetricRange]
    alerts: dict[AlertLevel, int]
    notes: int


class HistoryRow(Row, frozen=True, kw_only=True, gc=False):
    """One `log()` call; names are flat, joined with `/`."""

    step: int
    time: int
    metrics: dict[str, float]


class AlertRow(Row, frozen=True, kw_only=True):
    """An alert; its id is `<writer>:<offset>` and never changes."""

    id: str
    project: str
    run: str
    run_name: str
    time: int
    level: AlertLevel
    title: str
    text: str | None = None
    reason: str | None = None
    metric: str | None = None
    value: float | None = None
    step: int | None = None
    data: Any = None


class RunEdit(Row, frozen=True, kw_only=True):
    """An edit of a run: what is None stays as it is; an empty text takes a group or notes away."""

    name: str | None = None
    group: str | None = None
    notes: str | None = None
    tags_added: list[str] = []
    tags_removed: list[str] = []


class TextRow(Row, frozen=True, kw_only=True):
    """A piece of text that a run keeps, and of which attempt (by its id) it is."""

    attempt: str
    name: str
    time: int
    text: str


class FileRow(Row, frozen=True, kw_only=True):
    """A file, or a value that is not a number, logged as `key` at `step`. `run` is empty for a project's.

    `sha256` names its content, and is None while that has not come. `name` is what it is saved as.
    """

    id: str
    project: str
    run: str
    run_name: str
    time: int
    name: str
    key: str | None = None
    step: int | None = None
    form: str = "file"
    caption: str | None = None
    sha256: str | None = None
    size: int | None = None
    media_type: str | None = None


class NoteRow(Row, frozen=True, kw_only=True):
    """A note: its common fields, and the rest (`draft`, `final`, `confidence`, `data`, ...) in `content`.

    `conflict`: another note has this `event_id` and other content, and came first; it stands, and this one is only shown.
    """

    id: str
    event_id: str
    project: str
    run: str
    kind: NoteKind
    time: int
    session: int | None = None
    category: str | None = None
    text: str = ""
    content: dict[str, Any] = {}
    conflict: bool = False


def encode_json_number(value: float) -> float | str:
    """Return a JSON number; NaN and infinities become strings that `float()` reads."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def make_json_safe(value: Any) -> Any:
    """The same without floats that JSON can't hold."""
    match value:
        case float():
            return value if math.isfinite(value) else encode_json_number(value)
        case dict():
            return {key: make_json_safe(inner) for key, inner in value.items()}
        case list():
            return [make_json_safe(inner) for inner in value]
    return value
