"""Request and response structs of the HTTP API, and their encoding as JSON."""

from typing import Annotated, Any

import msgspec

from tasuki.records import (
    AlertRow,
    FileRow,
    HistoryRow,
    MetricSummary,
    NoteRow,
    ProjectOverview,
    ProjectRow,
    RunRow,
    TextRow,
    make_json_safe,
)

__all__ = [
    "AlertList",
    "Chart",
    "ChartRun",
    "FileList",
    "HistoryList",
    "Meta",
    "MetricList",
    "NoteAccepted",
    "NoteList",
    "NoteResult",
    "NotesSynced",
    "PointsResponse",
    "ProjectList",
    "ProjectOverviewResponse",
    "PurgeResponse",
    "RunList",
    "RunResponse",
    "SeriesResponse",
    "StreamList",
    "StreamRow",
    "SubmitRequest",
    "SummaryList",
    "SyncJobsRequest",
    "TextList",
    "encode_json",
]


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Server version, protocol versions, id of the data folder, and id of this server start."""

    version: str
    protocols: list[int]
    server_id: str
    boot_id: str


class ListResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Common fields of lists.

    `next`: cursor of the next page. `total`: rows of all pages. `missing`: records received but not yet projected.
    """

    next: str | None = None
    total: int
    missing: int


class ProjectList(ListResponse, frozen=True, kw_only=True):
    """Projects that the token may read."""

    projects: list[ProjectRow]


class RunList(ListResponse, frozen=True, kw_only=True):
    """Runs of a project."""

    runs: list[RunRow]


class RunResponse(RunRow, frozen=True, kw_only=True):
    """A run. `missing`: records received but not yet projected."""

    missing: int


class ProjectOverviewResponse(ProjectOverview, frozen=True, kw_only=True):
    """Overview of a project. `missing`: records received but not yet projected."""

    missing: int


class MetricList(ListResponse, frozen=True, kw_only=True):
    """Metric summaries of one run."""

    metrics: list[MetricSummary]


class SummaryList(ListResponse, frozen=True, kw_only=True):
    """Metric summaries of several runs."""

    summaries: list[MetricSummary]


class HistoryList(ListResponse, frozen=True, kw_only=True):
    """Logged rows of a run, one per step and time."""

    history: list[HistoryRow]


class AlertList(ListResponse, frozen=True, kw_only=True):
    """Alerts of a project or a run."""

    alerts: list[AlertRow]


class TextList(ListResponse, frozen=True, kw_only=True):
    """Texts of a run: program output and `git.diff`."""

    texts: list[TextRow]


class FileList(ListResponse, frozen=True, kw_only=True):
    """Files of a project or a run."""

    files: list[FileRow]


class NoteList(ListResponse, frozen=True, kw_only=True):
    """Notes of a brain."""

    notes: list[NoteRow]


class NoteAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A correction is on the server's disk. `deduplicated`: it had been stored before."""

    status: str = "ok"
    event_id: str
    deduplicated: bool


class NoteResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result for one note: its position in the request (`list`, `index`), and its stored id."""

    list: str
    index: int
    event_id: str
    deduplicated: bool


class NotesSynced(msgspec.Struct, frozen=True, kw_only=True):
    """Notes are on the server's disk.

    Counts of each kind; `ingested_count`: new notes. `new_watermark` works as the `after=` parameter of queries.
    """

    status: str = "ok"
    corrections_synced: int
    lessons_synced: int
    events_synced: int
    meta_rules_synced: int
    ingested_count: int
    new_watermark: str
    results: list[NoteResult]


class PointsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """All points of one metric of one run."""

    metric: str
    n: int
    missing: int
    steps: list[int]
    times: list[int]
    values: list[float | str]


class ChartRun(msgspec.Struct, frozen=True, kw_only=True):
    """Values of a run per chart column: null for a column without numbers; `nan` is 1 for one with NaN."""

    run: str
    n: int
    min: list[float | str | None]
    max: list[float | str | None]
    last: list[float | str | None]
    nan: list[int]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Chart of one metric. `x`: the last step of each column."""

    metric: str
    columns: int
    from_step: int
    to_step: int
    x: list[float]
    runs: list[ChartRun]


class SeriesResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Charts, one per metric."""

    series: list[Chart]
    missing: int


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """A received stream. With a digest: `sha256` of the readable part, and whether the stream is damaged."""

    writer: str
    run: str
    offset: int
    crc: int
    sealed: bool
    sha256: str | None = None
    damaged: bool | None = None


class StreamList(ListResponse, frozen=True, kw_only=True):
    """Received streams of a project."""

    streams: list[StreamRow]


class PurgeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Number of dropped streams."""

    streams: int


def encode_json(answer: msgspec.Struct) -> bytes:
    """Encode a response as JSON; NaN and infinities as the strings "NaN", "Infinity" and "-Infinity"."""
    return msgspec.json.encode(make_json_safe(msgspec.to_builtins(answer)))


Text = Annotated[str, msgspec.Meta(max_length=1000)]


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to submit. A `command` that is a string runs in /bin/sh; a list runs without a shell."""

    config_name: Text | None = None
    command: list[str] | str = []
    inputs: dict[str, Any] = {}
    hardware_type: Text | None = None
    env: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    webhook_url: Text | None = None
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None


class SyncJobsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Provider whose jobs are refreshed (default: all providers)."""

    provider: Text | None = None


ReasonText = Annotated[str, msgspec.Meta(max_length=10_000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class StopRequestBody(msgspec.Struct, frozen=True, kw_only=True):
    """Reason of a stop request, and name of the requester; a token's name takes precedence over `by`."""

    reason: ReasonText | None = None
    by: Name | None = None
