"""What the server answers with: lists of rows, charts, and how they are written as JSON."""

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
    json_safe,
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
    """Who answers: which version, which server, since which start."""

    version: str
    protocols: list[int]
    server_id: str
    boot_id: str


class ListResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What all lists have: where the next page begins, how many rows there are in all, how many records are not in them yet."""

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
    """What a run logged."""

    history: list[HistoryRow]


class AlertList(ListResponse, frozen=True, kw_only=True):
    """Alerts."""

    alerts: list[AlertRow]


class TextList(ListResponse, frozen=True, kw_only=True):
    """What a run has kept as text."""

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
    """What became of one note of a request: where in it the note stood, and under which id it is kept."""

    list: str
    index: int
    event_id: str
    deduplicated: bool


class NotesSynced(msgspec.Struct, frozen=True, kw_only=True):
    """Notes are on the server's disk: how many of each kind, how many were new; `new_watermark` works as `after=` of a question."""

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
    """How many streams were dropped."""

    streams: int


def encode_json(answer: msgspec.Struct) -> bytes:
    """The answer as JSON: NaN and infinities as the strings that stand for them."""
    return msgspec.json.encode(json_safe(msgspec.to_builtins(answer)))


Text = Annotated[str, msgspec.Meta(max_length=1000)]


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be run. A command that is one text is run by a shell."""

    config_name: Text | None = None
    command: list[str] | str = []
    inputs: dict[str, Any] = {}
    hardware_type: Text | None = None
    env: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    webhook_url: Text | None = None
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None


class SyncJobsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which provider is looked at; all of them where none is named."""

    provider: Text | None = None


ReasonText = Annotated[str, msgspec.Meta(max_length=10_000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class StopRequestBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why, and who asks: a token's name counts for more."""

    reason: ReasonText | None = None
    by: Name | None = None
