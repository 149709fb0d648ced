"""Jobs: what is known of executions elsewhere, and the one rule by which an observation changes it.

Records of jobs lie in journals of the project `JOBS`, outside of any run. What is known of a job is its records, in the order of
their clocks, put through `apply_observation` one after the other.
"""

import math
from typing import Any, NamedTuple

import msgspec

from tasuki.records.schema import JobCreated, JobStatus, Observation

__all__ = ["Job", "JobChange", "apply_observation", "job_from_created"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """State of a job: its latest attempt, and the cost of earlier ones. Times are microseconds UTC."""

    id: str
    provider: str
    account: str = ""
    status: JobStatus = JobStatus.PENDING
    raw_status: str | None = None
    attempt: int = 1
    external_id: str | None = None
    user_id: str | None = None
    config_name: str | None = None
    hardware_type: str | None = None
    command: list[str] = []
    metadata: dict[str, Any] = {}
    created: int
    updated: int
    started: int | None = None
    ended: int | None = None
    cost_usd: float | None = None
    cost_is_final: bool = False
    earlier_cost_usd: float = 0.0
    error_message: str | None = None
    output_url: str | None = None
    cancel_requested: bool = False
    candidates: list[str] | None = None
    odd_words: list[str] = []
    discovered: bool = False

    @property
    def is_lost(self) -> bool:
        """Return whether the job was submitted and its id at the provider is unknown."""
        return self.candidates is not None and self.external_id is None


class JobChange(NamedTuple):
    """Effect of one observation: another status (or attempt), or only more fields."""

    status_changed: bool
    job: Job


def job_from_created(record: JobCreated, clock: int) -> Job:
    """A job of which nothing has been observed yet."""
    return Job(
        id=record.job,
        provider=record.provider,
        account=record.account,
        external_id=record.external_id,
        user_id=record.user_id,
        config_name=record.config_name,
        hardware_type=record.hardware_type,
        command=record.command,
        metadata=record.metadata,
        created=clock if record.created is None else record.created,
        updated=clock,
        discovered=record.external_id is not None,
    )


def apply_observation(job: Job, observation: Observation) -> tuple[Job, tuple[JobChange, ...]]:
    """Apply an observation; return the job and its changes (the same job and none, if nothing changed).

    A final status is never left within an attempt, a lower one never follows a higher one, and an earlier attempt says nothing.
    """
    if observation.attempt < job.attempt:
        return job, ()
    before = job
    if observation.attempt > job.attempt:
        job = start_next_attempt(job, observation.attempt)
    if observation.status is not None and job.status.may_become(observation.status):
        job = msgspec.structs.replace(job, status=observation.status, raw_status=observation.raw_status)
    job = merge_observation(job, observation if observation.status in (None, job.status) else strip_status_fields(observation))
    if job == before:
        return before, ()
    job = msgspec.structs.replace(job, updated=max(before.updated, observation.time))
    return job, (JobChange((job.status, job.attempt) != (before.status, before.attempt), job),)


def start_next_attempt(job: Job, attempt: int) -> Job:
    """Return the job with a new attempt: its fields are unknown, the cost of earlier attempts stays."""
    return msgspec.structs.replace(
        job, attempt=attempt, status=JobStatus.PENDING, raw_status=None, external_id=None, started=None, ended=None, cost_usd=None,
        cost_is_final=False, earlier_cost_usd=job.earlier_cost_usd + (job.cost_usd or 0.0), error_message=None, output_url=None,
        cancel_requested=False, candidates=None,
    )  # fmt: skip


def strip_status_fields(observation: Observation) -> Observation:
    """Return the fields that hold although the observed status is not, or no longer, the job's."""
    return msgspec.structs.replace(
        observation, status=None, raw_status=None, ended=None, cost_usd=None, error_message=None, output_url=None, candidates=None
    )


def merge_observation(job: Job, observation: Observation) -> Job:
    """The job with what an observation tells beside its status. What is known is not unknown again."""
    external_id = job.external_id or observation.external_id
    candidates = observation.candidates if observation.candidates is not None and external_id is None else job.candidates
    cost, is_final = job.cost_usd, job.cost_is_final
    if observation.cost_usd is not None and math.isfinite(observation.cost_usd) and (observation.cost_is_final or not is_final):
        cost, is_final = observation.cost_usd, observation.cost_is_final
    return msgspec.structs.replace(
        job,
        raw_status=merge_raw_status(job, observation),
        external_id=external_id,
        started=earlier_time(job.started, observation.started),
        ended=earlier_time(job.ended, observation.ended) if job.status.is_final else None,
        cost_usd=cost,
        cost_is_final=is_final,
        hardware_type=job.hardware_type or observation.hardware_type,
        error_message=job.error_message or observation.error_message,
        output_url=job.output_url or observation.output_url,
        cancel_requested=job.cancel_requested or observation.cancel_requested,
        candidates=None if external_id is not None else candidates,
        odd_words=merge_odd_words(job, observation),
        metadata=job.metadata | observation.metadata,
    )


def merge_raw_status(job: Job, observation: Observation) -> str | None:
    """The provider's own word: the latest, while the attempt is not over; a final one's word stands."""
    return (
        job.raw_status
        if observation.raw_status is None or (job.status.is_final and observation.status is None)
        else observation.raw_status
    )


def merge_odd_words(job: Job, observation: Observation) -> list[str]:
    """The provider's words that were met and that nobody here knows."""
    if observation.status is not None or observation.raw_status is None:
        return job.odd_words
    return sorted({*job.odd_words, observation.raw_status})


def earlier_time(first: int | None, second: int | None) -> int | None:
    """The earlier of two times, either of which may not be known."""
    return min((time for time in (first, second) if time is not None), default=None)
