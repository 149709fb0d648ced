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
    """What is known of a job: its latest attempt, and what all attempts before it have cost. Times are microseconds UTC."""

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
        """Whether it was submitted and nobody knows as what."""
        return self.candidates is not None and self.external_id is None


class JobChange(NamedTuple):
    """What became of a job by one observation: another status (or attempt), or only more that is known."""

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


def apply_observation(job: Job, seen: Observation) -> tuple[Job, tuple[JobChange, ...]]:
    """What is known of the job after an observation, and what changed by it; the same job and nothing, if nothing did.

    A final status is never left within an attempt, a lower one never follows a higher one, and an earlier attempt says nothing.
    """
    if seen.attempt < job.attempt:
        return job, ()
    before = job
    if seen.attempt > job.attempt:
        job = next_attempt(job, seen.attempt)
    if seen.status is not None and job.status.may_become(seen.status):
        job = msgspec.structs.replace(job, status=seen.status, raw_status=seen.raw_status)
    job = with_facts(job, seen if seen.status in (None, job.status) else what_holds_anyway(seen))
    if job == before:
        return before, ()
    job = msgspec.structs.replace(job, updated=max(before.updated, seen.time))
    return job, (JobChange((job.status, job.attempt) != (before.status, before.attempt), job),)


def next_attempt(job: Job, attempt: int) -> Job:
    """The same job, tried again: nothing is known of the new attempt yet, and what the earlier ones cost stays."""
    return msgspec.structs.replace(
        job, attempt=attempt, status=JobStatus.PENDING, raw_status=None, external_id=None, started=None, ended=None, cost_usd=None,
        cost_is_final=False, earlier_cost_usd=job.earlier_cost_usd + (job.cost_usd or 0.0), error_message=None, output_url=None,
        cancel_requested=False, candidates=None,
    )  # fmt: skip


def what_holds_anyway(seen: Observation) -> Observation:
    """What is true of the attempt although it tells of a state that the job is not in, or not any more."""
    return msgspec.structs.replace(
        seen, status=None, raw_status=None, ended=None, cost_usd=None, error_message=None, output_url=None, candidates=None
    )


def with_facts(job: Job, seen: Observation) -> Job:
    """The job with what an observation tells beside its status. What is known is not unknown again."""
    external_id = job.external_id or seen.external_id
    candidates = seen.candidates if seen.candidates is not None and external_id is None else job.candidates
    cost, is_final = job.cost_usd, job.cost_is_final
    if seen.cost_usd is not None and math.isfinite(seen.cost_usd) and (seen.cost_is_final or not is_final):
        cost, is_final = seen.cost_usd, seen.cost_is_final
    return msgspec.structs.replace(
        job,
        raw_status=raw_status(job, seen),
        external_id=external_id,
        started=earliest(job.started, seen.started),
        ended=earliest(job.ended, seen.ended) if job.status.is_final else None,
        cost_usd=cost,
        cost_is_final=is_final,
        hardware_type=job.hardware_type or seen.hardware_type,
        error_message=job.error_message or seen.error_message,
        output_url=job.output_url or seen.output_url,
        cancel_requested=job.cancel_requested or seen.cancel_requested,
        candidates=None if external_id is not None else candidates,
        odd_words=odd_words(job, seen),
        metadata=job.metadata | seen.metadata,
    )


def raw_status(job: Job, seen: Observation) -> str | None:
    """The provider's own word: the latest, while the attempt is not over; a final one's word stands."""
    return job.raw_status if seen.raw_status is None or (job.status.is_final and seen.status is None) else seen.raw_status


def odd_words(job: Job, seen: Observation) -> list[str]:
    """The provider's words that were met and that nobody here knows."""
    if seen.status is not None or seen.raw_status is None:
        return job.odd_words
    return sorted({*job.odd_words, seen.raw_status})


def earliest(known: int | None, seen: int | None) -> int | None:
    """The earlier of two times, either of which may not be known."""
    return min((time for time in (known, seen) if time is not None), default=None)
