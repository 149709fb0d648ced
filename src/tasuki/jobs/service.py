"""The facade of jobs.

Queries and actions, opened over a data folder by the server and the command line.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import Conflict, NotFound, RemoteError, RemoteUnavailable
from tasuki.jobs.context import JobContext
from tasuki.jobs.progress_parser import ParsedProgress, parse_progress
from tasuki.jobs.providers import PROVIDERS
from tasuki.jobs.providers.prices import compute_cost
from tasuki.jobs.providers.protocol import ProviderAccount
from tasuki.jobs.refresh import Refresher, RefreshResult
from tasuki.jobs.schemas import (
    JobExtras,
    JobList,
    JobLogs,
    JobMetrics,
    JobView,
    Progress,
    ProviderView,
    SyncReport,
    SyncState,
    build_job_view,
)
from tasuki.jobs.storage.log_store import LogPiece
from tasuki.jobs.submit import Submission, Submitter
from tasuki.jobs.webhooks import Webhooks
from tasuki.records import Job, JobDeleted, JobStatus
from tasuki.settings import Settings
from tasuki.store import JobFilter, JobQueries, JobRow, JobRun

__all__ = ["Jobs", "LogEvent"]

PROGRESS_REFRESH_SECONDS = 4.0
"""Logs that were got so recently are not got again for a look at the progress."""
FOLLOW_SECONDS = 0.3
MAX_CACHED_JOBS = 10_000
FOLLOW_CLOUD_SECONDS = 3.0
TOTAL_STEP_KEYS = ("total_steps", "max_steps", "max_train_steps", "num_steps", "steps")
"""How a run's config says how many steps it will make; the first that is there counts."""


class LogEvent(NamedTuple):
    """A line of a job's log, or its end."""

    line: str | None
    status: str
    position: str


class Jobs:
    """Jobs of one data folder. Use it from one event loop.

    `user`: whose jobs are meant; None: everybody's. NotFound for a job that is not there, or is another user's.
    """

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, on_change: Callable[[], object] = lambda: None) -> None:
        self.settings = settings
        self.clock = clock
        self.context = JobContext(settings, clock=clock, on_change=on_change)
        self.refresher = Refresher(self.context)
        self.submitter = Submitter(self.context)
        self.webhooks = Webhooks(self.context)
        self.progress_cache: dict[str, tuple[tuple[int, int], ParsedProgress]] = {}
        self.logs_refreshed_at: dict[str, float] = {}

    async def close(self) -> None:
        """Close everything. Jobs continue."""
        await self.context.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    # -- asking

    async def list_jobs(
        self, job_filter: JobFilter, *, limit: int = 50, offset: int = 0, newest_first: bool = True, sync_active: bool = False
    ) -> JobList:
        """Return matching jobs and their number. With `sync_active`, refresh active ones first (at most 10 s)."""
        if sync_active:
            await self.refresher.refresh_until_deadline("sync_active")
            await self.unpark_webhooks()

        def query(queries: JobQueries) -> tuple[Sequence[JobRow], int, Collection[str]]:
            found = queries.page(job_filter, limit=limit, offset=offset, newest_first=newest_first)
            return found, queries.count(job_filter), {one.provider for one in queries.degraded_providers()}

        found, total, degraded = await self.context.run_query(query)
        return JobList(jobs=[self.build_view(row, degraded) for row in found], total=total)

    async def get(self, id: str, user: str | None = None) -> JobView:
        """Return one job."""
        row = await self.get_row(id, user)
        degraded = await self.context.run_query(lambda queries: {one.provider for one in queries.degraded_providers()})
        return self.build_view(row, degraded)

    async def get_row(self, id: str, user: str | None = None) -> JobRow:
        """Return one job's row."""
        missing = NotFound(f"there is no job {id!r}", hint="tasuki job list")
        try:
            row = await self.context.run_query(lambda queries: queries.job(id))
        except NotFound as error:  # what it may mean of others' jobs is not for everybody
            raise error if user is None else missing from error
        if user is not None and row.job.user_id != user:
            raise missing
        return row

    def build_view(self, row: JobRow, degraded: Collection[str]) -> JobView:
        """Build the view of a job."""
        job, said, now_us = row.job, ParsedProgress(), self.clock.now_us()
        if job.status is JobStatus.RUNNING:
            said = self.parse_latest_progress(job)
        state = self.context.compute_sync_state(job, degraded)
        return build_job_view(job, JobExtras(
            now_us=now_us,
            sync_state=state,
            progress=compute_progress(row.run, said.progress) if job.status is JobStatus.RUNNING else None,
            stage=said.stage,
            run_id=row.run.id if row.run else None,
            cost_usd=self.estimate_cost(job, now_us if state is SyncState.FRESH else job.updated),
        ))  # fmt: skip

    def parse_latest_progress(self, job: Job) -> ParsedProgress:
        """Parse the latest lines of a job, again only if there are more."""
        size = (job.attempt, self.context.logs.get_size(job))
        before = self.progress_cache.get(job.id)
        if before is None or before[0] != size:
            if len(self.progress_cache) > MAX_CACHED_JOBS:
                self.progress_cache.clear()
            self.progress_cache[job.id] = before = (size, parse_progress(self.context.logs.read_tail(job)))
        return before[1]

    def estimate_cost(self, job: Job, until: int) -> float | None:
        """Estimate the cost of a running job, by the price of its hardware."""
        if job.status is not JobStatus.RUNNING or job.started is None:
            return None
        provider = self.context.providers.find_open(job.provider)
        prices = provider.prices if provider else {}
        return compute_cost(job.hardware_type, max(0, until - job.started) / 1_000_000, prices)

    async def get_progress(self, id: str, user: str | None = None) -> Progress:
        """Return the progress of a running job; an empty one, without asking anybody, if it does not run."""
        row = await self.get_row(id, user)
        if row.job.status is not JobStatus.RUNNING:
            return Progress(job_id=row.job.id)
        await self.refresh_logs(row.job, PROGRESS_REFRESH_SECONDS)
        row = await self.get_row(id, user)
        if row.job.status is not JobStatus.RUNNING:
            return Progress(job_id=row.job.id)
        said = self.parse_latest_progress(row.job)
        return Progress(
            job_id=row.job.id, stage=said.stage, last_log=said.last_log, progress=compute_progress(row.run, said.progress)
        )

    async def get_metrics(self, user: str | None = None) -> JobMetrics:
        """Return counts and costs."""
        totals = await self.context.run_query(lambda queries: queries.totals(user))
        counts = {status.value: totals.by_status.get(status.value, 0) for status in JobStatus}
        return JobMetrics(
            total=sum(counts.values()),
            active=sum(n for status, n in counts.items() if JobStatus(status).is_active),
            by_status=counts,
            cost_usd=round(sum(totals.cost_by_provider.values()), 6),
            cost_by_provider={name: round(cost, 6) for name, cost in totals.cost_by_provider.items()},
            unknown_words=totals.odd_words,
        )

    # -- logs

    async def read_logs(self, id: str, user: str | None = None) -> JobLogs:
        """Return all logs of a job; refresh a running job's first, and others' if none are stored."""
        job = (await self.get_row(id, user)).job
        await self.refresh_logs(job, 0.0)
        return JobLogs(job_id=job.id, logs=await asyncio.to_thread(self.context.logs.read_text, job))

    async def refresh_logs(self, job: Job, min_interval_seconds: float) -> None:
        """Refresh a job's logs, unless that was done recently or they are complete."""
        if job.status.is_final and self.context.logs.get_size(job):
            self.logs_refreshed_at.pop(job.id, None)
            return
        now = self.clock.monotonic()
        if now - self.logs_refreshed_at.get(job.id, -min_interval_seconds) >= min_interval_seconds:
            if len(self.logs_refreshed_at) > MAX_CACHED_JOBS:
                self.logs_refreshed_at.clear()
            self.logs_refreshed_at[job.id] = now
            await self.refresher.refresh_logs(job)

    async def follow_logs(self, id: str, user: str | None = None, position: str = "") -> AsyncIterator[LogEvent]:
        """Yield a job's log lines from a place on, as they come; then its end."""
        job = (await self.get_row(id, user)).job
        attempt, offset = parse_position(position, job)
        while True:
            await self.refresh_logs(job, FOLLOW_CLOUD_SECONDS)
            job = (await self.get_row(id, user)).job  # before its lines are read: of one that is over, all are there
            async for piece in self.iter_log_pieces(job, attempt, offset):
                attempt, offset = piece.attempt, piece.offset
                for line in piece.lines:
                    yield LogEvent(line, job.status, f"{attempt}-{offset}")
            if job.status.is_final:
                yield LogEvent(None, job.status, f"{attempt}-{offset}")
                return
            await asyncio.sleep(FOLLOW_SECONDS)

    async def iter_log_pieces(self, job: Job, attempt: int, offset: int) -> AsyncIterator[LogPiece]:
        """Yield the stored lines after a place."""
        while True:
            is_over = job.status.is_final or attempt < job.attempt
            piece = await asyncio.to_thread(self.context.logs.read_lines, job, attempt, offset, is_over=is_over)
            if (piece.attempt, piece.offset) == (attempt, offset):
                return
            yield piece
            attempt, offset = piece.attempt, piece.offset

    # -- doing

    async def submit(self, submission: Submission) -> JobView:
        """Submit a job."""
        job = await self.submitter.submit(submission)
        await self.unpark_webhooks()
        return await self.get(job.id)

    async def retry(self, id: str, user: str | None = None, *, restart: str | None = None) -> JobView:
        """Start a new attempt of a finished job; in a queue, it may start from an output of the last one."""
        job = await self.submitter.retry((await self.get_row(id, user)).job, restart)
        await self.unpark_webhooks()
        return await self.get(job.id)

    async def cancel(self, id: str, user: str | None = None) -> JobView:
        """Request that a job is canceled; its provider's observations show the outcome.

        Raise Conflict if it has ended.
        """
        job = (await self.get_row(id, user)).job
        if job.status.is_final:
            raise Conflict(f"job {job.id} is {job.status} already")
        job = await self.context.observe(job, "cancel", cancel_requested=True)
        await self.send_cancel(job)
        return await self.get(job.id)

    async def send_cancel(self, job: Job) -> None:
        """Send the cancel request to the provider; a failed request is repeated later."""
        now = self.clock.now_us()
        if not self.context.providers.open(job.provider).may_know_job(job):
            await self.submitter.cancel_unsubmitted(job)
            return
        try:
            provider = await self.context.providers.identify(job.provider)
            if provider.account != job.account:
                raise RemoteUnavailable(f"job {job.id} runs elsewhere: {job.account}", hint="cancel it there")
            async with self.context.providers.guard_call(provider):
                sight = await provider.cancel(job)
        except NotFound:
            await self.context.observe(
                job, "cancel", JobStatus.CANCELLED, error_message=f"{provider.title} has no such job", ended=now
            )
            return
        except RemoteError:
            return
        if sight.observation.external_id == job.external_id or job.external_id is None:
            await self.context.record(self.context.recorder.build_observation(provider, job, job.attempt, sight, "cancel"))

    async def delete(self, id: str, user: str | None = None) -> None:
        """Delete a job; it is not discovered again. Raise Conflict unless it has ended."""
        job = (await self.get_row(id, user)).job
        if job.status.is_active:
            raise Conflict(f"job {job.id} is {job.status}: cancel it first", hint=f"tasuki job cancel {job.id}")
        await self.context.record(JobDeleted(time=self.clock.now_us(), job=job.id))
        await asyncio.to_thread(self.context.logs.remove, job.id)

    async def sync(self, provider_name: str | None = None) -> SyncReport:
        """Discover jobs at all providers, or at one."""
        report = await self.refresher.sync(provider_name)
        await self.unpark_webhooks()
        return report

    async def refresh(self, source: str, *, is_due: Callable[[Job], bool] = lambda _: True) -> RefreshResult:
        """Refresh active jobs, as a poller does."""
        done = await self.refresher.refresh(source, is_due=is_due)
        await self.unpark_webhooks()
        return done

    async def unpark_webhooks(self) -> None:
        """Process parked webhooks: their jobs may be known now."""
        for name in PROVIDERS:
            if name != "local" and self.context.providers.is_configured(name):
                try:
                    await self.webhooks.unpark(name)
                except RemoteError:
                    continue

    # -- what goes on by itself

    async def start_queued_jobs(self) -> int:
        """Start this machine's jobs whose turn it is; return their number."""
        provider = await self.context.providers.identify("local")
        jobs = [
            job
            for job in await self.context.run_query(lambda queries: queries.active_jobs("local"))
            if job.account == provider.account
        ]
        running = sum(job.status is JobStatus.RUNNING for job in jobs)
        waiting = sorted((job for job in jobs if job.status is not JobStatus.RUNNING), key=lambda job: (job.created, job.id))
        started = 0
        for job in waiting[: max(0, self.settings.providers.local.max_running - running)]:
            await self.submitter.start_queued_job(job)
            started += 1
        return started

    async def refresh_local_jobs(self) -> RefreshResult:
        """Refresh the jobs of this machine: that is cheap."""
        return await self.refresher.refresh(
            "queue", "local", is_due=lambda job: job.status is JobStatus.RUNNING or job.cancel_requested
        )

    async def recover(self) -> None:
        """Resume interrupted submissions, and repeat cancel requests that were not heard."""
        await self.submitter.recover()
        for job in await self.context.run_query(lambda queries: queries.active_jobs()):
            if (
                job.cancel_requested
                and self.context.providers.is_configured(job.provider)
                and not self.context.providers.get_breaker(job.provider).wait_seconds
            ):
                await self.send_cancel(job)

    # -- providers

    async def list_providers(self) -> list[ProviderView]:
        """Return all providers."""
        degraded = {one.provider: one.detail for one in await self.context.run_query(lambda queries: queries.degraded_providers())}
        return [
            ProviderView(
                name=name, configured=self.context.providers.is_configured(name), degraded=name in degraded,
                detail=degraded.get(name, ""), paused_seconds=round(self.context.providers.get_breaker(name).wait_seconds, 1),
            )
            for name in PROVIDERS
        ]  # fmt: skip

    async def validate(self, name: str) -> ProviderAccount:
        """Check a provider's API key, even while its circuit breaker is open; success closes that."""
        provider = self.context.providers.open(name)
        self.context.providers.get_breaker(name).allow_probe()
        try:
            async with self.context.providers.guard_call(provider):
                return await provider.validate()
        except RemoteError as error:
            return ProviderAccount(valid=False, error=str(error))

    def get_config(self, name: str) -> dict[str, Any]:
        """Return a provider's configuration, secrets included. Raise NotFound for an unknown provider."""
        self.context.providers.open(name)
        settings = getattr(self.settings.providers, name, None)  # hosts with a queue have a file of their own
        return ({} if settings is None else msgspec.structs.asdict(settings)) | self.context.providers.config_file.get(name)

    async def configure(self, name: str, changes: Mapping[str, Any]) -> None:
        """Configure a provider, in this process at once, elsewhere at the next start.

        Raise ConfigError if invalid.
        """
        self.context.providers.open(name)
        await asyncio.to_thread(self.context.providers.config_file.set, name, changes)
        await self.context.providers.reset(name)

    async def receive_webhook(self, name: str, headers: dict[str, str], body: bytes) -> None:
        """Process a provider's webhook."""
        await self.webhooks.receive(name, headers, body)


def compute_progress(run: JobRun | None, parsed: float | None) -> float | None:
    """Return the progress in percent.

    By the run's rounds or steps if their total is known, else by the logs.
    """
    if run is None:
        return parsed
    percent, total = run.percent, next((total for key in TOTAL_STEP_KEYS if (total := parse_step_count(run.config.get(key)))), None)
    if percent is None and total is not None and run.last_step is not None:
        percent = 100 * (run.last_step + 1) / total
    return parsed if percent is None else round(min(100.0, max(0.0, percent)), 1)


def parse_step_count(value: Any) -> int | None:
    """Return a number of steps; None if it is not one."""
    return int(value) if isinstance(value, (int, float)) and value >= 1 else None


def parse_position(text: str, job: Job) -> tuple[int, int]:
    """Parse attempt and byte offset from a line's id; the beginning if invalid."""
    attempt, _, offset = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 16 for part in (attempt, offset)):
        return 1, 0
    return max(1, min(int(attempt), job.attempt)), int(offset)
