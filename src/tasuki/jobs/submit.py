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
from tasuki.jobs.storage.file_lease import held
from tasuki.jobs.storage.log_store import job_folder
from tasuki.jobs.storage.requests import JobRequest
from tasuki.jobs.storage.state_db import IdempotencyClaim
from tasuki.records import Job, JobCreated, JobStatus, Observation
from tasuki.store import JobQueries

__all__ = ["Submission", "Submitter"]

SUBMITTING = "submitting"
WAITING = "waiting for its turn"
MOST_PAGES = 3
WAIT_SECONDS = 0.05
LOOK_US = 600_000_000
SLACK_US = 300_000_000
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

    def __init__(self, context: JobContext, files: Path | None = None) -> None:
        self.context = context
        self.files = files or context.settings.dir
        """In which data folder it is kept what jobs are to run."""

    async def submit(self, wanted: Submission) -> Job:
        """Submit a job, or return the job of a key that was used before.

        Raise Conflict if that was another submission.
        """
        provider = self.context.providers.open(wanted.provider)
        if not self.context.providers.is_configured(wanted.provider):
            raise ConfigError(f"{provider.title} is not set up", hint="export REPLICATE_API_TOKEN=r8_...")
        provider.check(wanted.request)
        id = secrets.token_hex(6)
        if wanted.key is not None:
            id = await self.claimed(wanted, wanted.key, id)
        while True:
            with self.held(id) as is_ours:
                if is_ours:
                    return await self.known(id) or await self.create(wanted, id)
            await asyncio.sleep(WAIT_SECONDS)  # another submission with this key is at it

    async def known(self, id: str) -> Job | None:
        """Return the job if it is on record."""
        return (await self.context.ask(lambda queries: queries.jobs([id]))).get(id)

    async def create(self, wanted: Submission, id: str) -> Job:
        """Create a job. The caller holds its lock."""
        provider = await self.context.providers.identify(wanted.provider)
        self.keep(id, wanted.request)
        return await self.start(JobCreated(
            time=self.context.clock.now_us(), job=id, provider=provider.name, account=provider.account or "", user_id=wanted.user,
            config_name=wanted.config_name, hardware_type=wanted.hardware_type or provider.hardware,
            command=wanted.request.command, metadata=wanted.metadata,
        ))  # fmt: skip

    async def claimed(self, wanted: Submission, key: str, id: str) -> str:
        """Return the id of the job that a key stands for."""
        ours, now = IdempotencyClaim(id, wanted.digest), self.context.clock.now_us()
        claim = await self.context.run_in_thread(
            lambda: self.context.open_journal().register.claim(wanted.user or "", key, ours, now)
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
            metadata=self.context.providers.open(job.provider).again(job, self.request(job), restart),
        )  # fmt: skip
        with self.held(job.id) as is_ours:
            if not is_ours:
                raise Conflict(f"somebody else tries job {job.id} again in this moment")
            return await self.start(again)

    # -- the steps

    async def start(self, beginning: JobCreated | Observation) -> Job:
        """Record the first step and take the next ones; a local job waits for its turn.

        The caller holds the lock.
        """
        await self.context.record(beginning)
        hit_failpoint("jobs.created")
        job = (await self.context.ask(lambda queries: queries.job(beginning.job))).job
        if job.provider == "local":
            return await self.context.observe(job, "submit", JobStatus.QUEUED, raw_status=WAITING)
        return job if self.context.providers.open(job.provider).by_turns else await self.go_on(job)

    async def begin(self, job: Job) -> Job:
        """Start a local job whose turn has come."""
        with self.held(job.id) as is_ours:
            fresh = await self.known(job.id) if is_ours else None
            if fresh is None or fresh.status.is_final or fresh.attempt != job.attempt:
                return fresh or job
            provider = await self.context.providers.identify("local")
            request = self.request(job)
            try:
                if request is None:
                    raise NotFound(f"nothing is left of what job {job.id} was to run")
                sight = await provider.submit(job, await provider.prepare(job, request))
            except (RemoteRejected, ConfigError, NotFound) as error:
                return await self.context.observe(
                    job, "queue", JobStatus.FAILED, error_message=str(error), ended=self.context.clock.now_us()
                )
            hit_failpoint("jobs.after_start")
            return await self.bind(job, sight)

    async def go_on(self, job: Job) -> Job:
        """Upload and submit. The caller holds the lock."""
        provider = await self.context.providers.identify(job.provider)
        try:
            return await self.steps(provider, job)
        except (RemoteRejected, ConfigError, NotFound) as error:
            now = self.context.clock.now_us()
            return await self.context.observe(job, "submit", JobStatus.FAILED, error_message=str(error), ended=now)

    async def steps(self, provider: Provider, job: Job) -> Job:
        """Upload, then submit. Certainly unsent submissions wait; possibly sent ones are looked for."""
        request = self.request(job) or JobRequest()
        try:
            self.context.providers.get_breaker(provider.name).enter()  # before anything is on record: it may not be asked now
            self.context.providers.get_breaker(provider.name).probing = False
            if any(map(is_large, request.inputs.values())):
                job = await self.context.observe(job, "submit", JobStatus.UPLOADING, raw_status="uploading")
            async with self.context.providers.guard_call(provider):
                request = await provider.prepare(job, request)
        except RemoteUnavailable as error:
            return await self.put_off(job, error)
        hit_failpoint("jobs.uploaded")
        self.keep(job.id, request, "submitted.json")
        job = await self.context.observe(job, "submit", raw_status=SUBMITTING)
        hit_failpoint("jobs.before_submit")
        try:
            async with self.context.providers.guard_call(provider):
                sight = await provider.submit(job, request)
        except (RateLimited, ConnectionFailed) as error:
            return await self.put_off(job, error)
        except RemoteUnavailable:
            return await self.find_lost(provider, job)
        hit_failpoint("jobs.after_submit")
        return await self.bind(job, sight)

    async def put_off(self, job: Job, error: RemoteUnavailable) -> Job:
        """Record that nothing was submitted: a broken upload failed, anything else waits for the provider."""
        if job.status is JobStatus.UPLOADING and job.raw_status != SUBMITTING:
            return await self.fail_upload(job, error.message)
        return await self.context.observe(job, "submit", raw_status=f"put off: {error.message}")

    async def fail_upload(self, job: Job, reason: str) -> Job:
        """Record a broken upload."""
        detail = f"the upload was interrupted, and nothing was submitted: {reason}"
        return await self.context.observe(job, "submit", JobStatus.FAILED, error_message=detail, ended=self.context.clock.now_us())

    async def give_up(self, job: Job) -> None:
        """Stop submitting a job that has no external id; wait while another process works on it."""
        with self.held(job.id) as is_ours:
            fresh = await self.known(job.id) if is_ours else None
            if fresh is not None and not self.context.providers.open(job.provider).has_heard_of(fresh):
                reason = "cancelled; whether it runs is not known" if fresh.is_lost else "cancelled before it began"
                now = self.context.clock.now_us()
                await self.context.observe(fresh, "cancel", JobStatus.CANCELLED, error_message=reason, ended=now)

    async def bind(self, job: Job, sight: ProviderJob) -> Job:
        """Record the external id of a job."""
        provider = self.context.providers.open(job.provider)
        seen = self.context.recorder.build_observation(provider, job, job.attempt, sight, "submit")
        if sight.logs:
            self.context.logs.keep(job.id, job.attempt, sight.logs)
        await self.context.record(seen)
        return (await self.context.ask(lambda queries: queries.job(job.id))).job

    async def find_lost(self, provider: Provider, job: Job) -> Job:
        """Find a submission whose answer was lost in the provider's list; only a single match counts."""
        request = self.request(job, "submitted.json") or JobRequest()
        sights: list[ProviderJob] = []
        cursor = None
        try:
            for _ in range(MOST_PAGES):
                async with self.context.providers.guard_call(provider):
                    page = await provider.page(cursor)
                sights += page.sights
                cursor = page.next
                if cursor is None:
                    break
        except RemoteUnavailable:
            return job  # still on record as being submitted: it is looked for again
        names = {sight.observation.external_id or "" for sight in sights}
        taken = await self.context.ask(lambda queries: submitted_here(queries, job, names))
        strangers = [sight for sight in sights if sight.observation.external_id not in taken]
        found = [sight for sight in strangers if is_same(sight, job, request)]
        if len(found) == 1:
            return await self.bind(job, found[0])
        return await self.context.observe(
            job, "submit", candidates=[sight.observation.external_id or "" for sight in found], raw_status=SUBMITTING
        )

    # -- what was cut short

    async def recover(self) -> None:
        """Resume jobs that no process works on: postponed ones, interrupted uploads and submissions."""
        jobs = await self.context.ask(lambda queries: queries.active_jobs())
        for job in jobs:
            is_waiting = job.external_id is None and not self.is_given_up(job)
            if (
                is_waiting
                and self.context.providers.is_configured(job.provider)
                and not self.context.providers.open(job.provider).by_turns
            ):
                with suppress(RemoteUnavailable, RemoteRejected):
                    await self.recover_one(job)

    def is_given_up(self, job: Job) -> bool:
        """Return whether the search for a lost submission has ended: several matches, or none after a while."""
        return job.is_lost and (bool(job.candidates) or self.context.clock.now_us() - job.updated > LOOK_US)

    async def recover_one(self, job: Job) -> None:
        """Resume one job without an external id."""
        provider = await self.context.providers.identify(job.provider)
        if provider.account != job.account or self.context.providers.get_breaker(job.provider).wait_seconds:
            return
        with self.held(job.id) as is_ours:
            fresh = await self.known(job.id) if is_ours else None
            if fresh is None or fresh.status.is_final or fresh.external_id is not None:
                return  # somebody else has been at it since we looked
            job = fresh
            if job.raw_status == SUBMITTING:
                await self.find_lost(provider, job)
            elif job.status is JobStatus.UPLOADING:
                await self.fail_upload(job, "whoever was at it ended")
            else:
                await self.go_on(job)

    def held(self, id: str) -> AbstractContextManager[bool]:
        """Take a job's lock; yield whether this process holds it."""
        return held(job_folder(self.context.settings.dir, id) / "lock")

    # -- what is to be run

    def keep(self, id: str, request: JobRequest, name: str = "request.json") -> None:
        """Store the request beside the job, for its owner alone: it may hold secrets."""
        folder = job_folder(self.files, id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(folder / name, msgspec.json.encode(request), mode=0o600, durable=True)

    def request(self, job: Job, name: str = "request.json") -> JobRequest | None:
        """Return the stored request; None for a job that was not submitted here."""
        path: Path = job_folder(self.files, job.id) / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=JobRequest)
        except FileNotFoundError:
            return None


def submitted_here(queries: JobQueries, job: Job, names: Collection[str]) -> set[str]:
    """Return which external ids belong to jobs submitted from here; a found one may be this job."""
    known = queries.jobs_by_external_id(job.provider, job.account, names)
    jobs = queries.jobs({one.job for one in known.values()})
    return {name for name, one in known.items() if one.job not in jobs or not jobs[one.job].discovered}


def is_same(sight: ProviderJob, job: Job, request: JobRequest) -> bool:
    """Return whether a provider's job may be the submission: by version, inputs, and time."""
    version = job.metadata.get("version")
    same_version = version is None or sight.observation.metadata.get("version") == version
    is_later = sight.created is None or sight.created >= job.updated - SLACK_US
    return same_version and is_later and sight.inputs == request.inputs
