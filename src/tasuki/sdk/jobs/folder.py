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
TEND_SECONDS = 1.0


class FolderJobs:
    """Of a data folder. While this is open, jobs of this machine that wait for their turn are started."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.runner = asyncio.Runner()
        self.jobs = self.run(opened(settings))
        self.tender = self.runner.get_loop().create_task(self.tend())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in our own event loop."""
        return self.runner.run(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.run(self.close())
        self.runner.close()

    async def close(self) -> None:
        """Let go of everything. Jobs go on."""
        self.tender.cancel()
        with suppress(asyncio.CancelledError):
            await self.tender
        await self.jobs.close()

    async def tend(self) -> None:
        """What a server does of itself, now and then while something else is waited for."""
        while True:
            await asyncio.sleep(TEND_SECONDS)
            await self.tend_once()

    async def tend_once(self) -> None:
        """Look at what runs on this machine, and start what waits."""
        await self.jobs.look_here()
        if self.settings.background.queue_processing.enabled:
            await self.jobs.start_waiting()

    def list(self, wanted: ListOptions) -> JobList:
        """See JobsApi."""
        return self.run(self.listed(wanted))

    async def listed(self, wanted: ListOptions) -> JobList:
        """The list, when what runs here has been looked at."""
        await self.tend_once()
        chosen = JobFilter(statuses=wanted.statuses or None, provider=wanted.provider)
        return await self.jobs.listing(
            chosen, limit=-1 if wanted.limit is None else wanted.limit, newest_first=True, sync_active=wanted.look
        )

    def get(self, id: str, *, look: bool = False) -> JobView:
        """See JobsApi."""

        async def found() -> JobView:
            await self.tend_once()
            job = await self.jobs.get(id)
            if look and job.is_active:
                await self.jobs.refresh("wait", is_due=lambda other: other.id == job.job_id)
                job = await self.jobs.get(job.job_id)
            return job

        return self.run(found())

    def submit(self, wanted: Submission) -> JobView:
        """See JobsApi."""

        async def submitted() -> JobView:
            job = await self.jobs.submit(wanted)
            await self.tend_once()
            return await self.jobs.get(job.job_id)

        return self.run(submitted())

    def act(self, id: str, what: JobAction) -> JobView:
        """See JobsApi."""

        async def done() -> JobView:
            job = await self.jobs.get(id)
            match what:
                case JobAction.CANCEL:
                    return await self.jobs.cancel(job.job_id)
                case JobAction.DELETE:
                    await self.jobs.delete(job.job_id)
            return job

        return self.run(done())

    def retry(self, id: str, restart: str | None = None) -> JobView:
        """See JobsApi."""

        async def again() -> JobView:
            job = await self.jobs.retry(id, restart=restart)
            await self.tend_once()
            return await self.jobs.get(job.job_id)

        return self.run(again())

    def lines(self, id: str, *, follow: bool = False) -> Iterator[str]:
        """See JobsApi."""
        if not follow:
            yield from self.run(self.jobs.logs(id)).logs.splitlines()
            return
        events = self.jobs.follow(self.get(id).job_id)
        while (event := self.run(after(events))) is not None and event.line is not None:
            yield event.line

    def metrics(self) -> JobMetrics:
        """See JobsApi."""
        return self.run(self.jobs.metrics())

    def sync(self, provider: str | None = None) -> SyncReport:
        """See JobsApi."""
        return self.run(self.jobs.sync(provider))


async def opened(settings: Settings) -> Jobs:
    """The jobs of a folder, in a loop that runs."""
    return Jobs(settings)


async def after(events: Any) -> LogEvent | None:
    """The next event; None where there are no more."""
    found: LogEvent | None = await anext(events, None)
    return found
