"""Records of jobs, and the job states."""

from enum import StrEnum
from typing import Any

from tasuki.records.schema.record import Attempt, Int64, Record

__all__ = ["JOBS_PROJECT", "JobCreated", "JobDeleted", "JobRecord", "JobStatus", "Observation", "ProviderHealth"]

JOBS_PROJECT = ".jobs"
"""The project of all journals that tell of jobs."""


class JobStatus(StrEnum):
    """Status of an attempt at a job. The last three are final: nothing follows them within an attempt."""

    PENDING = "pending"
    UPLOADING = "uploading"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing more will happen in this attempt."""
        return self.rank == FINAL_RANK

    @property
    def is_active(self) -> bool:
        """Something may still happen."""
        return not self.is_final

    @property
    def rank(self) -> int:
        """Return the rank: within an attempt, the status only moves to a higher one, and may skip some."""
        return RANKS[self]

    def may_become(self, later: "JobStatus") -> bool:
        """Return whether a status may follow within an attempt."""
        return later.rank > self.rank


FINAL_RANK = 4
RANKS = {status: min(rank, FINAL_RANK) for rank, status in enumerate(JobStatus)}


class JobRecord(Record, frozen=True, kw_only=True):
    """Base of all records of jobs."""


class JobCreated(JobRecord, frozen=True, kw_only=True, tag="job.created"):
    """A job is known from now on: submitted here, or, with an `external_id`, found at its provider.

    `account`: whose job it is at the provider; for a process of this machine, which machine and folder. `user_id`: the name of the
    token that it was submitted with. `created`: when the provider says that it was, in microseconds UTC.
    """

    job: str
    provider: str
    account: str = ""
    external_id: str | None = None
    created: Int64 | None = None
    user_id: str | None = None
    config_name: str | None = None
    hardware_type: str | None = None
    command: list[str] = []
    metadata: dict[str, Any] = {}


class Observation(JobRecord, frozen=True, kw_only=True, tag="job.observed"):
    """Observation of an attempt at a job. None keeps a known value. Times are microseconds UTC.

    `source`: who looked (submit, sync, sync_active, poller, webhook, cancel, queue). `status` is None where the provider's own
    word, `raw_status`, is not known. `candidates`: jobs of the provider of which this may be one, or none: its answer was lost.
    """

    job: str = ""
    attempt: Attempt = 1
    source: str = ""
    status: JobStatus | None = None
    raw_status: str | None = None
    external_id: str | None = None
    started: Int64 | None = None
    ended: Int64 | None = None
    cost_usd: float | None = None
    cost_is_final: bool = False
    hardware_type: str | None = None
    error_message: str | None = None
    output_url: str | None = None
    cancel_requested: bool = False
    candidates: list[str] | None = None
    metadata: dict[str, Any] = {}


class JobDeleted(JobRecord, frozen=True, kw_only=True, tag="job.deleted"):
    """The job is to be forgotten; a tombstone stays, so that it is not found again."""

    job: str


class ProviderHealth(JobRecord, frozen=True, kw_only=True, tag="job.provider"):
    """A provider has stopped to answer, or answers again."""

    provider: str
    account: str = ""
    degraded: bool
    detail: str = ""
