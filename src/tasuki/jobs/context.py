"""Shared context of all job operations: records, logs, providers and their circuit breakers."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.jobs.observation_recorder import ObservationRecorder
from tasuki.jobs.provider_pool import ProviderPool
from tasuki.jobs.schemas import SyncState
from tasuki.jobs.storage.job_journal import JobJournal
from tasuki.jobs.storage.log_store import LogStore
from tasuki.records import Job, JobRecord, JobStatus, Observation, apply_observation
from tasuki.settings import Settings
from tasuki.store import JobQueries

__all__ = ["JobContext"]

T = TypeVar("T")


class JobContext:
    """Context of one data folder. Use it from one event loop; it calls `changed` when jobs have changed."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, on_change: Callable[[], object] = lambda: None) -> None:
        self.settings = settings
        self.clock = clock
        self.on_change = on_change
        self.logs = LogStore(settings.dir)
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="tasuki-jobs")
        self.journal: JobJournal | None = None
        self.recorder = ObservationRecorder(self, self.logs)
        self.providers = ProviderPool(settings, self)
        self.capacity_freed = asyncio.Event()
        """Set when a job has ended, so that another may start."""

    async def close(self) -> None:
        """Close the providers and the journal. Jobs continue."""
        await self.providers.close()
        await self.run_in_thread(self.close_journal)
        self.executor.shutdown()

    # -- the journal

    async def run_in_thread(self, action: Callable[..., T], *arguments: object) -> T:
        """Run a function in the one thread that owns the journal."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, action, *arguments)

    def open_journal(self) -> JobJournal:
        """Return the journal, opened on first use. Call it in the journal's thread only."""
        if self.journal is None:
            self.journal = JobJournal(self.settings, clock=self.clock)
        return self.journal

    def close_journal(self) -> None:
        """Close the journal. Call it in the journal's thread only."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    # -- records

    async def run_query(self, query: Callable[[JobQueries], T]) -> T:
        """Answer a query from every record written so far."""
        return await self.run_in_thread(lambda: self.open_journal().run_query(query))

    async def record(self, *records: JobRecord) -> None:
        """Write records to disk, then notify listeners."""
        await self.run_in_thread(lambda: self.open_journal().record(records))
        await self.notify()

    async def observe(self, job: Job, source: str, status: JobStatus | None = None, **fields: object) -> Job:
        """Record a status or other fields of a job if they change it. Return the job with the change."""
        now, status = self.clock.now_us(), status or job.status
        observation = Observation(time=now, job=job.id, attempt=job.attempt, source=source, status=status, **fields)  # type: ignore[arg-type] # its own fields
        if apply_observation(job, observation)[1]:
            await self.record(observation)
        return (await self.run_query(lambda queries: queries.job(job.id))).job

    async def notify(self) -> None:
        """Tell listeners, and submissions that wait for capacity, that jobs have changed."""
        await self.run_query(lambda _: None)  # projects the events that listeners will read
        self.capacity_freed.set()
        self.on_change()

    def compute_sync_state(self, job: Job, degraded: Collection[str]) -> SyncState:
        """Return how current the recorded state of a job is; a finished job does not change any more."""
        if job.status.is_final:
            return SyncState.FRESH
        provider = self.providers.find_open(job.provider)
        is_other_account = provider is not None and provider.account not in (None, job.account)
        if job.provider in degraded or is_other_account or not self.providers.is_configured(job.provider):
            return SyncState.UNREACHABLE
        return SyncState.STALE if job.id in self.recorder.stale_jobs else SyncState.FRESH
