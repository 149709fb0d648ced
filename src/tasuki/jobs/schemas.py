"""Jobs as HTTP, command line, and page show them. Names and shapes are a contract."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tasuki.clock import datetime_from_us
from tasuki.records import Job

__all__ = [
    "JobAnswer",
    "JobExtras",
    "JobList",
    "JobLogs",
    "JobMetrics",
    "JobType",
    "JobView",
    "Progress",
    "ProviderView",
    "SyncReport",
    "SyncState",
    "build_job_view",
]

LOCAL = "local"


class JobType(StrEnum):
    """Type of a job's location: this machine, or a provider."""

    LOCAL = "local"
    CLOUD = "cloud"


class SyncState(StrEnum):
    """Freshness of a job's state.

    `stale`: the last refresh failed. `unreachable`: its provider cannot be asked from here, or does not answer.
    `lost`: the answer to its submission was lost, and its id at the provider is unknown.
    """

    FRESH = "fresh"
    STALE = "stale"
    UNREACHABLE = "unreachable"
    LOST = "lost"


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job. Times are ISO 8601 UTC; `duration_seconds` of a running job counts up to now."""

    job_id: str
    job_type: JobType
    provider: str
    status: str
    config_name: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cost_usd: float | None
    hardware_type: str | None
    error_message: str | None
    output_url: str | None
    user_id: str | None
    metadata: dict[str, Any]
    is_terminal: bool
    is_active: bool
    duration_seconds: float | None
    external_id: str | None
    raw_status: str | None
    attempt: int
    progress: float | None
    stage: str | None
    sync_state: SyncState
    cost_is_final: bool
    run_id: str | None
    updated_at: datetime


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """A list of jobs, and the number of matches."""

    jobs: list[JobView]
    total: int


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A response with one job."""

    job: JobView


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a sync: jobs discovered, jobs changed, and errors."""

    synced: int
    message: str
    updated: int = 0
    errors: list[str] = []


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress in a running job's latest lines.

    Null where nothing matches, and everywhere if it does not run.
    """

    job_id: str
    stage: str | None = None
    last_log: str | None = None
    progress: float | None = None


class JobLogs(msgspec.Struct, frozen=True, kw_only=True):
    """All logs of a job, of every attempt."""

    job_id: str
    logs: str


class JobMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by status, costs, and unknown raw statuses with their numbers of jobs."""

    total: int
    active: int
    by_status: dict[str, int]
    cost_usd: float
    cost_by_provider: dict[str, float]
    unknown_words: dict[str, int] = {}


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider: whether it is configured, and whether it answers."""

    name: str
    configured: bool
    degraded: bool = False
    detail: str = ""
    paused_seconds: float = 0.0


class JobExtras(NamedTuple):
    """Facts shown with a job that are not part of it. `cost_usd`: an estimate where no better one exists."""

    now_us: int
    sync_state: SyncState = SyncState.FRESH
    progress: float | None = None
    stage: str | None = None
    run_id: str | None = None
    cost_usd: float | None = None


def build_job_view(job: Job, extras: JobExtras) -> JobView:
    """Build the view of a job."""
    cost = job.cost_usd if job.cost_usd is not None else extras.cost_usd
    return JobView(
        job_id=job.id,
        job_type=JobType.LOCAL if job.provider == LOCAL else JobType.CLOUD,
        provider=job.provider,
        status=job.status.value,
        config_name=job.config_name,
        created_at=datetime_from_us(job.created),
        started_at=to_datetime(job.started),
        completed_at=to_datetime(job.ended),
        cost_usd=None if cost is None and not job.earlier_cost_usd else round(job.earlier_cost_usd + (cost or 0.0), 6),
        hardware_type=job.hardware_type,
        error_message=job.error_message,
        output_url=job.output_url,
        user_id=job.user_id,
        metadata=build_metadata(job),
        is_terminal=job.status.is_final,
        is_active=job.status.is_active,
        duration_seconds=compute_duration(job, extras.now_us),
        external_id=job.external_id,
        raw_status=job.raw_status,
        attempt=job.attempt,
        progress=extras.progress,
        stage=extras.stage,
        sync_state=SyncState.LOST if job.is_lost else extras.sync_state,
        cost_is_final=job.cost_is_final,
        run_id=extras.run_id,
        updated_at=datetime_from_us(job.updated),
    )


def build_metadata(job: Job) -> dict[str, Any]:
    """Return the submitter's metadata, with the command, and the candidates of a lost job."""
    found = dict(job.metadata)
    if job.command:
        found["command"] = job.command
    if job.is_lost:
        found["candidates"] = job.candidates
    return found


def to_datetime(time: int | None) -> datetime | None:
    """Convert a time; None stays None."""
    return None if time is None else datetime_from_us(time)


def compute_duration(job: Job, now_us: int) -> float | None:
    """Return how long a job ran, in seconds; never negative although two machines' clocks may differ."""
    if job.started is None or (job.status.is_final and job.ended is None):
        return None
    return max(0, (job.ended or now_us) - job.started) / 1_000_000
