"""Responses of the server: lists of rows, charts, and their JSON encoding."""

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
    """Version and identity of the server."""

    version: str
    protocols: list[int]
    server_id: str
    boot_id: str


class ListResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of every list: next page, total number of rows, and number of records not in them yet."""

    next: str | None = None
    total: int
    missing: int


class ProjectList(ListResponse, frozen=True, kw_only=True):
    """All projects."""

    projects: list[ProjectRow]


class RunList(ListResponse, frozen=True, kw_only=True):
    """Runs of a project."""

    runs: list[RunRow]


class RunResponse(RunRow, frozen=True, kw_only=True):
    """One run."""

    missing: int


class ProjectOverviewResponse(ProjectOverview, frozen=True, kw_only=True):
    """A project at a glance."""

    missing: int


class MetricList(ListResponse, frozen=True, kw_only=True):
    """The metrics of a run."""

    metrics: list[MetricSummary]


class SummaryList(ListResponse, frozen=True, kw_only=True):
    """Summaries of metrics of runs."""

    summaries: list[MetricSummary]


class HistoryList(ListResponse, frozen=True, kw_only=True):
    """The logged calls of a run."""

    history: list[HistoryRow]


class AlertList(ListResponse, frozen=True, kw_only=True):
    """Alerts."""

    alerts: list[AlertRow]


class TextList(ListResponse, frozen=True, kw_only=True):
    """The texts of a run."""

    texts: list[TextRow]


class FileList(ListResponse, frozen=True, kw_only=True):
    """Files."""

    files: list[FileRow]


class NoteList(ListResponse, frozen=True, kw_only=True):
    """Notes of a brain."""

    notes: list[NoteRow]


class NoteAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A correction is on the server's disk; `deduplicated`: it had been before."""

    status: str = "ok"
    event_id: str
    deduplicated: bool


class NoteResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one note in a request: its position there, and its id."""

    list: str
    index: int
    event_id: str
    deduplicated: bool


class NotesSynced(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a notes sync: notes of each kind, how many were new.

    Pass `new_watermark` as `after=` of a query.
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
    """One run on a chart's columns: null where there is no number; `nan` is 1 where there was NaN."""

    run: str
    n: int
    min: list[float | str | None]
    max: list[float | str | None]
    last: list[float | str | None]
    nan: list[int]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of some runs. `x` is the last step of each column."""

    metric: str
    columns: int
    from_step: int
    to_step: int
    x: list[float]
    runs: list[ChartRun]


class SeriesResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A chart per metric."""

    series: list[Chart]
    missing: int


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as it was received. With a digest: what can be read of it, and whether that is all."""

    writer: str
    run: str
    offset: int
    crc: int
    sealed: bool
    sha256: str | None = None
    damaged: bool | None = None


class StreamList(ListResponse, frozen=True, kw_only=True):
    """Streams of a project."""

    streams: list[StreamRow]


class PurgeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Number of streams dropped."""

    streams: int


def encode_json(answer: msgspec.Struct) -> bytes:
    """The answer as JSON: NaN and infinities as the strings that stand for them."""
    return msgspec.json.encode(make_json_safe(msgspec.to_builtins(answer)))


Text = Annotated[str, msgspec.Meta(max_length=1000)]


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to submit. A command given as one text is run by a shell."""

    config_name: Text | None = None
    command: list[str] | str = []
    inputs: dict[str, Any] = {}
    hardware_type: Text | None = None
    env: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    webhook_url: Text | None = None
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None


class SyncJobsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider to sync; all without a name."""

    provider: Text | None = None


ReasonText = Annotated[str, msgspec.Meta(max_length=10_000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class StopRequestBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why, and who asks: a token's name counts for more."""

    reason: ReasonText | None = None
    by: Name | None = None
