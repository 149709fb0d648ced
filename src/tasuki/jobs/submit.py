"""Submit jobs: a job is on record before its provider is called, and each step before it is taken.

    created → (uploading) → submitting → queued, running, ...

Whoever takes these steps holds the job's lock. What is found between two steps, with nobody at it, was cut short: an upload fails,
and may be tried again; a submission whose answer was lost is looked for in the provider's list and never submitted again by itself.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Collection
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError, Conflict, ConnectionFailed, NotFound, RateLimited, RemoteRejected, RemoteUnavailable
from tasuki.failpoints import hit_failpoint
from tasuki.jobs.context import JobContext
from tasuki.jobs.providers.protocol import Provider, ProviderJob, is_large
from tasuki.jobs.storage.file_lease import try_lease
from tasuki.jobs.storage.log_store import get_job_folder
from tasuki.jobs.storage.requests import JobRequest
from tasuki.jobs.storage.state_db import IdempotencyClaim
from tasuki.records import Job, JobCreated, JobStatus, Observation
from tasuki.store import JobQueries

__all__ = ["Submission", "Submitter"]

SUBMITTING_STATUS = "submitting"
WAITING_STATUS = "waiting for its turn"
MAX_PAGES = 3
LOCK_RETRY_SECONDS = 0.05
MAX_SEARCH_US = 600_000_000
CLOCK_SKEW_US = 300_000_000
"""By so much a provider's clock may differ from ours."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A submission. With an idempotency key, a user's second submission is the first."""

    provider: str
    request: JobRequest
    user: str | None = None
    config_name: str | None = None
    hardware_type: str | None = None
    metadata: dict[str, Any] = {}
    key: str | None = None

    @property
    def digest(self) -> str:
        """Return a digest that is equal for equal submissions."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, key=None), order="sorted")).hexdigest()


class Submitter:
    """Submits jobs."""

    def __init__(self, context: JobContext, request_root: Path | None = None) -> None:
        self.context = context
        self.request_root = request_root or context.settings.dir
        """In which data folder it is kept what jobs are to run."""

    async def submit(self, submission: Submission) -> Job:
        """Submit a job, or return the job of a key that was used before.

        Raise Conflict if that was another submission.
        """
        provider = self.context.providers.open(submission.provider)
        if not self.context.providers.is_configured(submission.provider):
            raise ConfigError(f"{provider.title} is not set up", hint="export REPLICATE_API_TOKEN=r8_...")
        provider.check_request(submission.request)
        id = secrets.token_hex(6)
        if submission.key is not None:
            id = await self.claim_key(submission, submission.key, id)
        while True:
            with self.lock_job(id) as is_ours:
                if is_ours:
                    return await self.find_job(id) or await self.create_job(submission, id)
            await asyncio.sleep(LOCK_RETRY_SECONDS)  # another submission with this key is at it

    async def find_job(self, id: str) -> Job | None:
        """Return the job if it is on record."""
        return (await self.context.run_query(lambda queries: queries.jobs([id]))).get(id)

    async def create_job(self, submission: Submission, id: str) -> Job:
        """Create a job. The caller holds its lock."""
        provider = await self.context.providers.identify(submission.provider)
        self.store_request(id, submission.request)
        return await self.start_attempt(JobCreated(
            time=self.context.clock.now_us(), job=id, provider=provider.name, account=provider.account or "",
            user_id=submission.user,
            config_name=submission.config_name, hardware_type=submission.hardware_type or provider.hardware,
            command=submission.request.command, metadata=submission.metadata,
        ))  # fmt: skip

    async def claim_key(self, submission: Submission, key: str, id: str) -> str:
        """Return the id of the job that a key stands for."""
        ours, now = IdempotencyClaim(id, submission.digest), self.context.clock.now_us()
        claim = await self.context.run_in_thread(
            lambda: self.context.open_journal().state_db.claim_key(submission.user or "", key, ours, now)
        )
        if claim.digest != ours.digest:
            raise Conflict(f"the key {key!r} was used for another submission", hint=f"that is job {claim.job}; use another key")
        return claim.job

    async def retry(self, job: Job, restart: str | None = None) -> Job:
        """Start a new attempt of a finished job, from its inputs or from an output of the last attempt.

        Conflict for a job that is not over, or that was not submitted here; ConfigError for an output that it can't begin from.
        """
        if job.status.is_active:
            raise Conflict(f"job {job.id} is {job.status}", hint="cancel it first")
        again = Observation(
            time=self.context.clock.now_us(), job=job.id, attempt=job.attempt + 1, source="retry", status=JobStatus.PENDING,
            metadata=self.context.providers.open(job.provider).build_retry_metadata(job, self.load_request(job), restart),
        )  # fmt: skip
        with self.lock_job(job.id) as is_ours:
            if not is_ours:
                raise Conflict(f"somebody else tries job {job.id} again in this moment")
            return await self.start_attempt(again)

    # -- the steps

    async def start_attempt(self, first_record: JobCreated | Observation) -> Job:
        """Record the first step and take the next ones; a local job waits for its turn.

        The caller holds the lock.
        """
        await self.context.record(first_record)
        hit_failpoint("jobs.created")
        job = (await self.context.run_query(lambda queries: queries.job(first_record.job))).job
        if job.provider == "local":
            return await self.context.observe(job, "submit", JobStatus.QUEUED, raw_status=WAITING_STATUS)
        return job if self.context.providers.open(job.provider).defers_submission else await self.continue_submission(job)

    async def start_queued_job(self, job: Job) -> Job:
        """Start a local job whose turn has come."""
        with self.lock_job(job.id) as is_ours:
            fresh = await self.find_job(job.id) if is_ours else None
            if fresh is None or fresh.status.is_final or fresh.attempt != job.attempt:
                return fresh or job
            provider = await self.context.providers.identify("local")
            request = self.load_request(job)
            try:
                if request is None:
                    raise NotFound(f"nothing is left of what job {job.id} was to run")
                sight = await provider.submit(job, await provider.prepare(job, request))
            except (RemoteRejected, ConfigError, NotFound) as error:
                return await self.context.observe(
                    job, "queue", JobStatus.FAILED, error_message=str(error), ended=self.context.clock.now_us()
                )
            hit_failpoint("jobs.after_start")
            return await self.bind_provider_job(job, sight)

    async def continue_submission(self, job: Job) -> Job:
        """Upload and submit. The caller holds the lock."""
        provider = await self.context.providers.identify(job.provider)
        try:
            return await self.upload_and_submit(provider, job)
        except (RemoteRejected, ConfigError, NotFound) as error:
            now = self.context.clock.now_us()
            return await self.context.observe(job, "submit", JobStatus.FAILED, error_message=str(error), ended=now)

    async def upload_and_submit(self, provider: Provider, job: Job) -> Job:
        """Upload, then submit. Certainly unsent submissions wait; possibly sent ones are looked for."""
        request = self.load_request(job) or JobRequest()
        try:
            self.context.providers.get_breaker(provider.name).begin_call()  # before anything is on record: it may not be asked now
            self.context.providers.get_breaker(provider.name).is_probing = False
            if any(map(is_large, request.inputs.values())):
                job = await self.context.observe(job, "submit", JobStatus.UPLOADING, raw_status="uploading")
            async with self.context.providers.guard_call(provider):
                request = await provider.prepare(job, request)
        except RemoteUnavailable as error:
            return await self.defer(job, error)
        hit_failpoint("jobs.uploaded")
        self.store_request(job.id, request, "submitted.json")
        job = await self.context.observe(job, "submit", raw_status=SUBMITTING_STATUS)
        hit_failpoint("jobs.before_submit")
        try:
            async with self.context.providers.guard_call(provider):
                sight = await provider.submit(job, request)
        except (RateLimited, ConnectionFailed) as error:
            return await self.defer(job, error)
        except RemoteUnavailable:
            return await self.find_lost_submission(provider, job)
        hit_failpoint("jobs.after_submit")
        return await self.bind_provider_job(job, sight)

    async def defer(self, job: Job, error: RemoteUnavailable) -> Job:
        """Record that nothing was submitted: a broken upload failed, anything else waits for the provider."""
        if job.status is JobStatus.UPLOADING and job.raw_status != SUBMITTING_STATUS:
            return await self.fail_upload(job, error.message)
        return await self.context.observe(job, "submit", raw_status=f"put off: {error.message}")

    async def fail_upload(self, job: Job, reason: str) -> Job:
        """Record a broken upload."""
        detail = f"the upload was interrupted, and nothing was submitted: {reason}"
        return await self.context.observe(job, "submit", JobStatus.FAILED, error_message=detail, ended=self.context.clock.now_us())

    async def cancel_unsubmitted(self, job: Job) -> None:
        """Stop submitting a job that has no external id; wait while another process works on it."""
        with self.lock_job(job.id) as is_ours:
            fresh = await self.find_job(job.id) if is_ours else None
            if fresh is not None and not self.context.providers.open(job.provider).may_know_job(fresh):
                reason = "cancelled; whether it runs is not known" if fresh.is_lost else "cancelled before it began"
                now = self.context.clock.now_us()
                await self.context.observe(fresh, "cancel", JobStatus.CANCELLED, error_message=reason, ended=now)

    async def bind_provider_job(self, job: Job, provider_job: ProviderJob) -> Job:
        """Record the external id of a job."""
        provider = self.context.providers.open(job.provider)
        seen = self.context.recorder.build_observation(provider, job, job.attempt, provider_job, "submit")
        if provider_job.logs:
            self.context.logs.merge_text(job.id, job.attempt, provider_job.logs)
        await self.context.record(seen)
        return (await self.context.run_query(lambda queries: queries.job(job.id))).job

    async def find_lost_submission(self, provider: Provider, job: Job) -> Job:
        """Find a submission whose answer was lost in the provider's list; only a single match counts."""
        request = self.load_request(job, "submitted.json") or JobRequest()
        sights: list[ProviderJob] = []
        cursor = None
        try:
            for _ in range(MAX_PAGES):
                async with self.context.providers.guard_call(provider):
                    page = await provider.list_jobs(cursor)
                sights += page.jobs
                cursor = page.next_cursor
                if cursor is None:
                    break
        except RemoteUnavailable:
            return job  # still on record as being submitted: it is looked for again
        names = {sight.observation.external_id or "" for sight in sights}
        taken = await self.context.run_query(lambda queries: find_own_names(queries, job, names))
        strangers = [sight for sight in sights if sight.observation.external_id not in taken]
        found = [sight for sight in strangers if may_be_same_job(sight, job, request)]
        if len(found) == 1:
            return await self.bind_provider_job(job, found[0])
        return await self.context.observe(
            job, "submit", candidates=[sight.observation.external_id or "" for sight in found], raw_status=SUBMITTING_STATUS
        )

    # -- what was cut short

    async def recover(self) -> None:
        """Resume jobs that no process works on: postponed ones, interrupted uploads and submissions."""
        jobs = await self.context.run_query(lambda queries: queries.active_jobs())
        for job in jobs:
            is_waiting = job.external_id is None and not self.is_search_over(job)
            if (
                is_waiting
                and self.context.providers.is_configured(job.provider)
                and not self.context.providers.open(job.provider).defers_submission
            ):
                with suppress(RemoteUnavailable, RemoteRejected):
                    await self.recover_job(job)

    def is_search_over(self, job: Job) -> bool:
        """Return whether the search for a lost submission has ended: several matches, or none after a while."""
        return job.is_lost and (bool(job.candidates) or self.context.clock.now_us() - job.updated > MAX_SEARCH_US)

    async def recover_job(self, job: Job) -> None:
        """Resume one job without an external id."""
        provider = await self.context.providers.identify(job.provider)
        if provider.account != job.account or self.context.providers.get_breaker(job.provider).wait_seconds:
            return
        with self.lock_job(job.id) as is_ours:
            fresh = await self.find_job(job.id) if is_ours else None
            if fresh is None or fresh.status.is_final or fresh.external_id is not None:
                return  # somebody else has been at it since we looked
            job = fresh
            if job.raw_status == SUBMITTING_STATUS:
                await self.find_lost_submission(provider, job)
            elif job.status is JobStatus.UPLOADING:
                await self.fail_upload(job, "whoever was at it ended")
            else:
                await self.continue_submission(job)

    def lock_job(self, id: str) -> AbstractContextManager[bool]:
        """Take a job's lock; yield whether this process holds it."""
        return try_lease(get_job_folder(self.context.settings.dir, id) / "lock")

    # -- what is to be run

    def store_request(self, id: str, request: JobRequest, name: str = "request.json") -> None:
        """Store the request beside the job, for its owner alone: it may hold secrets."""
        folder = get_job_folder(self.request_root, id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(folder / name, msgspec.json.encode(request), mode=0o600, durable=True)

    def load_request(self, job: Job, name: str = "request.json") -> JobRequest | None:
        """Return the stored request; None for a job that was not submitted here."""
        path: Path = get_job_folder(self.request_root, job.id) / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=JobRequest)
        except FileNotFoundError:
            return None


def find_own_names(queries: JobQueries, job: Job, names: Collection[str]) -> set[str]:
    """Return which external ids belong to jobs submitted from here; a found one may be this job."""
    known = queries.jobs_by_external_id(job.provider, job.account, names)
    jobs = queries.jobs({one.job for one in known.values()})
    return {name for name, one in known.items() if one.job not in jobs or not jobs[one.job].discovered}


def may_be_same_job(provider_job: ProviderJob, job: Job, request: JobRequest) -> bool:
    """Return whether a provider's job may be the submission: by version, inputs, and time."""
    version = job.metadata.get("version")
    same_version = version is None or provider_job.observation.metadata.get("version") == version
    is_later = provider_job.created is None or provider_job.created >= job.updated - CLOCK_SKEW_US
    return same_version and is_later and provider_job.inputs == request.inputs
