"""The jobs of a data folder, without an event loop of the caller's."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from tasuki.jobs import JobList, JobMetrics, Jobs, JobView, LogEvent, Submission, SyncReport
from tasuki.sdk.jobs.protocol import JobAction, ListOptions
from tasuki.settings import Settings
from tasuki.store import JobFilter

__all__ = ["FolderJobs"]

T = TypeVar("T")
BACKGROUND_INTERVAL_SECONDS = 1.0


class FolderJobs:
    """Of a data folder. While this is open, jobs of this machine that wait for their turn are started."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.runner = asyncio.Runner()
        self.jobs = self.run(create_jobs(settings))
        self.background_task = self.runner.get_loop().create_task(self.run_in_background())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do it in our own event loop."""
        return self.runner.run(coroutine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.run(self.close())
        self.runner.close()

    async def close(self) -> None:
        """Let go of everything. Jobs go on."""
        self.background_task.cancel()
        with suppress(asyncio.CancelledError):
            await self.background_task
        await self.jobs.close()

    async def run_in_background(self) -> None:
        """Do a server's background work now and then, while the caller waits for something else."""
        while True:
            await asyncio.sleep(BACKGROUND_INTERVAL_SECONDS)
            await self.advance_local_jobs()

    async def advance_local_jobs(self) -> None:
        """Look at what runs on this machine, and start what waits."""
        await self.jobs.refresh_local_jobs()
        if self.settings.background.queue_processing.enabled:
            await self.jobs.start_queued_jobs()

    def list(self, options: ListOptions) -> JobList:
        """See JobsApi."""
        return self.run(self.list_async(options))

    async def list_async(self, options: ListOptions) -> JobList:
        """The list, when what runs here has been looked at."""
        await self.advance_local_jobs()
        chosen = JobFilter(statuses=options.statuses or None, provider=options.provider)
        return await self.jobs.list_jobs(
            chosen, limit=-1 if options.limit is None else options.limit, newest_first=True, sync_active=options.refresh
        )

    def get(self, id: str, *, refresh: bool = False) -> JobView:
        """See JobsApi."""

        async def get_job() -> JobView:
            await self.advance_local_jobs()
            job = await self.jobs.get(id)
            if refresh and job.is_active:
                await self.jobs.refresh("wait", is_due=lambda other: other.id == job.job_id)
                job = await self.jobs.get(job.job_id)
            return job

        return self.run(get_job())

    def submit(self, submission: Submission) -> JobView:
        """See JobsApi."""

        async def submit_job() -> JobView:
            job = await self.jobs.submit(submission)
            await self.advance_local_jobs()
            return await self.jobs.get(job.job_id)

        return self.run(submit_job())

    def perform(self, id: str, action: JobAction) -> JobView:
        """See JobsApi."""

        async def perform_action() -> JobView:
            job = await self.jobs.get(id)
            match action:
                case JobAction.CANCEL:
                    return await self.jobs.cancel(job.job_id)
                case JobAction.DELETE:
                    await self.jobs.delete(job.job_id)
            return job

        return self.run(perform_action())

    def retry(self, id: str, restart: str | None = None) -> JobView:
        """See JobsApi."""

        async def retry_job() -> JobView:
            job = await self.jobs.retry(id, restart=restart)
            await self.advance_local_jobs()
            return await self.jobs.get(job.job_id)

        return self.run(retry_job())

    def iter_log_lines(self, id: str, *, follow: bool = False) -> Iterator[str]:
        """See JobsApi."""
        if not follow:
            yield from self.run(self.jobs.read_logs(id)).logs.splitlines()
            return
        events = self.jobs.follow_logs(self.get(id).job_id)
        while (event := self.run(next_event(events))) is not None and event.line is not None:
            yield event.line

    def metrics(self) -> JobMetrics:
        """See JobsApi."""
        return self.run(self.jobs.get_metrics())

    def sync(self, provider: str | None = None) -> SyncReport:
        """See JobsApi."""
        return self.run(self.jobs.sync(provider))


async def create_jobs(settings: Settings) -> Jobs:
    """The jobs of a folder, in a loop that runs."""
    return Jobs(settings)


async def next_event(events: Any) -> LogEvent | None:
    """The next event; None where there are no more."""
    found: LogEvent | None = await anext(events, None)
    return found
