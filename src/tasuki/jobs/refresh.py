"""Refresh jobs from their providers: which jobs, in how many calls, and what a failure means."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tasuki.errors import NotFound, RemoteError, RemoteRejected, RemoteUnavailable
from tasuki.jobs.context import JobContext
from tasuki.jobs.observation_recorder import RecordCounts
from tasuki.jobs.providers import PROVIDERS
from tasuki.jobs.providers.protocol import BatchProvider, Provider, ProviderJob
from tasuki.jobs.schemas import SyncReport
from tasuki.records import Job, JobStatus

__all__ = ["RefreshResult", "Refresher"]

MAX_DISCOVERED = 1000
MAX_PARALLEL = 8
MAX_SINGLE_LOOKUPS = 3
"""So many are looked at one by one; more are looked for in the provider's list first."""
MAX_LOOKUPS = 100
DEADLINE_SECONDS = 10.0
MAX_MISSES = 3
CLOCK_SKEW_US = 60_000_000
"""By so much a provider's clock may differ from ours, when it is decided that a job is further back in its list."""
LOST_STATUS = "lost_at_provider"


class RefreshResult(NamedTuple):
    """Result of a refresh: the number of changed jobs, and the errors."""

    changed: int = 0
    errors: tuple[str, ...] = ()


class Refresher:
    """Refreshes jobs and records their changes."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.misses: Counter[str] = Counter()

    # -- finding jobs

    async def sync(self, provider_name: str | None = None) -> SyncReport:
        """Read the job lists of all configured providers, or of one, and refresh this machine's jobs."""
        if provider_name is not None:
            self.context.providers.open(provider_name)
        await self.refresh("sync", "local")
        names = [
            name
            for name in PROVIDERS
            if name != "local" and provider_name in (None, name) and self.context.providers.is_configured(name)
        ]
        if not names:
            return SyncReport(synced=0, message="No provider is set up: there is nothing to discover")
        found = {name: await self.discover(name) for name in names}
        return SyncReport(
            synced=sum(taken.discovered for taken, _ in found.values()),
            message=build_message(
                {self.context.providers.open(name).title: taken.discovered for name, (taken, _) in found.items()}
            ),
            updated=sum(taken.changed for taken, _ in found.values()),
            errors=[error for _, errors in found.values() for error in errors],
        )

    async def discover(self, name: str) -> tuple[RecordCounts, list[str]]:
        """Read a provider's job list; keep what was found before a failure."""
        taken, seen, cursor = RecordCounts(), 0, None
        title = self.context.providers.open(name).title
        pages = 0
        try:
            provider = await self.context.providers.identify(name)
            while seen < MAX_DISCOVERED:
                async with self.context.providers.guard_call(provider):
                    page = await provider.list_jobs(cursor)
                pages += 1
                taken += await self.context.recorder.record_jobs(
                    provider, page.jobs[: MAX_DISCOVERED - seen], "sync", discover=True
                )
                seen += len(page.jobs)
                if page.next_cursor is None:
                    return taken, []
                cursor = page.next_cursor
        except RemoteError as error:
            return taken, [f"{title}: page {pages + 1} could not be had: {error.message}"]
        return taken, [f"{title}: only the latest {MAX_DISCOVERED} jobs were looked at"]

    # -- looking at active jobs

    async def refresh_until_deadline(self, source: str) -> RefreshResult:
        """Refresh all active jobs within 10 seconds; mark those that were not reached as stale."""
        waiting = await self.context.run_query(lambda queries: queries.active_jobs())
        ids = {job.id for job in waiting}
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await self.refresh(source, on_reached=ids.discard)
        except TimeoutError:
            for id in ids:
                self.context.recorder.stale_jobs.add(id)
            return RefreshResult(errors=(f"some providers did not answer within {DEADLINE_SECONDS:g} s",))

    async def refresh(
        self,
        source: str,
        provider_name: str | None = None,
        *,
        is_due: Callable[[Job], bool] = lambda _: True,
        on_reached: Callable[[str], object] = lambda _: None,
    ) -> RefreshResult:
        """Refresh active jobs of all providers concurrently; a failing provider delays no other."""
        active = await self.context.run_query(lambda queries: queries.active_jobs(provider_name))
        by_provider: dict[str, list[Job]] = {}
        for job in active:
            if job.provider in PROVIDERS and self.context.providers.is_configured(job.provider) and is_due(job):
                by_provider.setdefault(job.provider, []).append(job)
        results = await asyncio.gather(
            *(self.refresh_provider(name, jobs, source, on_reached) for name, jobs in by_provider.items())
        )
        return RefreshResult(sum(one.changed for one in results), tuple(error for one in results for error in one.errors))

    async def refresh_provider(
        self, name: str, jobs: Sequence[Job], source: str, on_reached: Callable[[str], object]
    ) -> RefreshResult:
        """Refresh jobs of one provider. If it does not answer, mark them as stale and conclude nothing."""
        left = {id: job for job in jobs if (id := job.external_id) is not None}
        changed = 0
        try:
            provider = await self.context.providers.identify(name)
            if isinstance(provider, BatchProvider):
                left = {job.id: job for job in jobs if provider.may_know_job(job)}
                return await self.refresh_batch(provider, list(left.values()), source, on_reached)
            left = {id: job for id, job in left.items() if job.account == provider.account}
            if name != "local" and len(left) > MAX_SINGLE_LOOKUPS:
                changed += await self.refresh_from_list(provider, left, source, on_reached)
            changed += await self.refresh_individually(provider, list(left.values())[:MAX_LOOKUPS], source, on_reached, left)
        except RemoteError as error:
            for job in left.values():
                self.context.recorder.stale_jobs.add(job.id)
                on_reached(job.id)
            return RefreshResult(changed, (f"{self.context.providers.open(name).title}: {error.message}",))
        return RefreshResult(changed)

    async def refresh_batch(
        self, provider: BatchProvider, jobs: Sequence[Job], source: str, on_reached: Callable[[str], object]
    ) -> RefreshResult:
        """Refresh jobs in one call; mark those that could not be queried as stale."""
        async with self.context.providers.guard_call(provider):
            sights = await provider.fetch_jobs(jobs)
        changed = await self.context.recorder.record_known_jobs(
            provider, [(job, sight) for job in jobs if (sight := sights.get(job.id))], source
        )
        for job in jobs:
            if job.id not in sights:
                self.context.recorder.stale_jobs.add(job.id)
            elif sights[job.id] is None:
                changed += await self.record_miss(provider, job, source)
            else:
                self.misses.pop(job.id, None)
            if job.id in sights:
                self.mark_refreshed(job, on_reached)
        return RefreshResult(changed)

    async def refresh_from_list(
        self, provider: Provider, remaining: dict[str, Job], source: str, on_reached: Callable[[str], object]
    ) -> int:
        """Find jobs in the provider's list, while that needs fewer calls than one per job.

        Remove those found from `left`.
        """
        changed, cursor = 0, None
        for _ in range(2 + len(remaining) // 50):
            async with self.context.providers.guard_call(provider):
                page = await provider.list_jobs(cursor)
            found = [sight for sight in page.jobs if sight.observation.external_id in remaining]
            changed += (await self.context.recorder.record_jobs(provider, found, source)).changed
            for sight in found:
                self.mark_refreshed(remaining.pop(sight.observation.external_id or ""), on_reached)
            if (
                len(remaining) <= MAX_SINGLE_LOOKUPS
                or page.next_cursor is None
                or (not has_trainings(remaining.values()) and is_older_than(page.jobs, remaining.values()))
            ):
                break
            cursor = page.next_cursor
        return changed

    async def refresh_individually(
        self, provider: Provider, jobs: Sequence[Job], source: str, on_reached: Callable[[str], object], remaining: dict[str, Job]
    ) -> int:
        """Query jobs one by one, a few concurrently; remove those answered from `left`."""
        room = asyncio.Semaphore(MAX_PARALLEL)

        async def refresh_one(job: Job) -> int:
            async with room:
                changed = await self.refresh_job(provider, job, source)
            self.mark_refreshed(job, on_reached)
            remaining.pop(job.external_id or "", None)
            return changed

        results = await asyncio.gather(*(refresh_one(job) for job in jobs), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return sum(result for result in results if isinstance(result, int))

    async def refresh_job(self, provider: Provider, job: Job, source: str) -> int:
        """Refresh one job; return 1 if it changed.

        A job that is repeatedly unknown to the provider becomes lost.
        """
        try:
            async with self.context.providers.guard_call(provider):
                sight = await provider.fetch_job(job)
        except NotFound:
            return await self.record_miss(provider, job, source)
        self.misses.pop(job.id, None)
        return await self.context.recorder.record_known_jobs(provider, [(job, sight)], source)

    async def record_miss(self, provider: Provider, job: Job, source: str) -> int:
        """Count a miss: conclude nothing before three of them, over two rounds at least."""
        self.misses[job.id] += 1
        if self.misses[job.id] == MAX_MISSES - 1:
            return await self.refresh_job(provider, job, source)  # a second round: ask once more
        if self.misses[job.id] < MAX_MISSES:
            self.context.recorder.stale_jobs.add(job.id)
            return 0
        del self.misses[job.id]
        now = self.context.clock.now_us()
        await self.context.observe(job, source, JobStatus.FAILED, raw_status=LOST_STATUS, error_message=LOST_STATUS, ended=now)
        return 1

    def mark_refreshed(self, job: Job, on_reached: Callable[[str], object]) -> None:
        """Mark a job as refreshed."""
        if job.id not in self.misses:
            self.context.recorder.stale_jobs.discard(job.id)
        on_reached(job.id)

    # -- one job, now

    async def refresh_logs(self, job: Job) -> None:
        """Read a running job's latest logs. On failure, keep the stored ones and mark them as stale."""
        if job.provider == "local" or not self.context.providers.is_configured(job.provider):
            return
        try:
            provider = await self.context.providers.identify(job.provider)
            if not provider.may_know_job(job):
                return
            if provider.account == job.account:
                await self.refresh_job(provider, job, "progress")
        except (RemoteUnavailable, RemoteRejected):
            self.context.recorder.stale_jobs.add(job.id)


def has_trainings(jobs: Iterable[Job]) -> bool:
    """Return whether some jobs are trainings; their list comes after the predictions."""
    return any(job.metadata.get("kind") == "training" for job in jobs)


def is_older_than(provider_jobs: Sequence[ProviderJob], jobs: Iterable[Job]) -> bool:
    """Return whether a list, newest first, has passed all of these jobs."""
    times = [sight.created for sight in provider_jobs if sight.created is not None]
    return bool(times) and min(times) < min((job.created for job in jobs), default=0) - CLOCK_SKEW_US


def build_message(counts: dict[str, int]) -> str:
    """Format the result for people, by provider."""
    said = " and ".join(f"{n} new job{'' if n == 1 else 's'} from {title}" for title, n in counts.items())
    return f"Discovered {said}"
