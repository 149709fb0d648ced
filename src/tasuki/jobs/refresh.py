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

MOST_FOUND = 1000
PARALLEL = 8
FEW = 3
"""So many are looked at one by one; more are looked for in the provider's list first."""
MOST_GETS = 100
DEADLINE_SECONDS = 10.0
MISSES = 3
SLACK_US = 60_000_000
"""By so much a provider's clock may differ from ours, when it is decided that a job is further back in its list."""
LOST = "lost_at_provider"


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

    async def sync(self, only: str | None = None) -> SyncReport:
        """Read the job lists of all configured providers, or of one, and refresh this machine's jobs."""
        if only is not None:
            self.context.providers.open(only)
        await self.refresh("sync", "local")
        names = [
            name for name in PROVIDERS if name != "local" and only in (None, name) and self.context.providers.is_configured(name)
        ]
        if not names:
            return SyncReport(synced=0, message="No provider is set up: there is nothing to discover")
        found = {name: await self.discover(name) for name in names}
        return SyncReport(
            synced=sum(taken.found for taken, _ in found.values()),
            message=message({self.context.providers.open(name).title: taken.found for name, (taken, _) in found.items()}),
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
            while seen < MOST_FOUND:
                async with self.context.providers.guard_call(provider):
                    page = await provider.page(cursor)
                pages += 1
                taken += await self.context.recorder.record_jobs(provider, page.sights[: MOST_FOUND - seen], "sync", discover=True)
                seen += len(page.sights)
                if page.next is None:
                    return taken, []
                cursor = page.next
        except RemoteError as error:
            return taken, [f"{title}: page {pages + 1} could not be had: {error.message}"]
        return taken, [f"{title}: only the latest {MOST_FOUND} jobs were looked at"]

    # -- looking at active jobs

    async def refresh_in_time(self, source: str) -> RefreshResult:
        """Refresh all active jobs within 10 seconds; mark those that were not reached as stale."""
        waiting = await self.context.ask(lambda queries: queries.active_jobs())
        ids = {job.id for job in waiting}
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await self.refresh(source, reached=ids.discard)
        except TimeoutError:
            for id in ids:
                self.context.recorder.stale_jobs.add(id)
            return RefreshResult(errors=(f"some providers did not answer within {DEADLINE_SECONDS:g} s",))

    async def refresh(
        self,
        source: str,
        only: str | None = None,
        *,
        is_due: Callable[[Job], bool] = lambda _: True,
        reached: Callable[[str], object] = lambda _: None,
    ) -> RefreshResult:
        """Refresh active jobs of all providers concurrently; a failing provider delays no other."""
        active = await self.context.ask(lambda queries: queries.active_jobs(only))
        by_provider: dict[str, list[Job]] = {}
        for job in active:
            if job.provider in PROVIDERS and self.context.providers.is_configured(job.provider) and is_due(job):
                by_provider.setdefault(job.provider, []).append(job)
        results = await asyncio.gather(*(self.refresh_one(name, jobs, source, reached) for name, jobs in by_provider.items()))
        return RefreshResult(sum(one.changed for one in results), tuple(error for one in results for error in one.errors))

    async def refresh_one(self, name: str, jobs: Sequence[Job], source: str, reached: Callable[[str], object]) -> RefreshResult:
        """Refresh jobs of one provider. If it does not answer, mark them as stale and conclude nothing."""
        left = {id: job for job in jobs if (id := job.external_id) is not None}
        changed = 0
        try:
            provider = await self.context.providers.identify(name)
            if isinstance(provider, BatchProvider):
                left = {job.id: job for job in jobs if provider.has_heard_of(job)}
                return await self.look_together(provider, list(left.values()), source, reached)
            left = {id: job for id, job in left.items() if job.account == provider.account}
            if name != "local" and len(left) > FEW:
                changed += await self.look_in_list(provider, left, source, reached)
            changed += await self.look_one_by_one(provider, list(left.values())[:MOST_GETS], source, reached, left)
        except RemoteError as error:
            for job in left.values():
                self.context.recorder.stale_jobs.add(job.id)
                reached(job.id)
            return RefreshResult(changed, (f"{self.context.providers.open(name).title}: {error.message}",))
        return RefreshResult(changed)

    async def look_together(
        self, provider: BatchProvider, jobs: Sequence[Job], source: str, reached: Callable[[str], object]
    ) -> RefreshResult:
        """Refresh jobs in one call; mark those that could not be queried as stale."""
        async with self.context.providers.guard_call(provider):
            sights = await provider.look_together(jobs)
        changed = await self.context.recorder.record_known_jobs(
            provider, [(job, sight) for job in jobs if (sight := sights.get(job.id))], source
        )
        for job in jobs:
            if job.id not in sights:
                self.context.recorder.stale_jobs.add(job.id)
            elif sights[job.id] is None:
                changed += await self.missed(provider, job, source)
            else:
                self.misses.pop(job.id, None)
            if job.id in sights:
                self.seen(job, reached)
        return RefreshResult(changed)

    async def look_in_list(self, provider: Provider, left: dict[str, Job], source: str, reached: Callable[[str], object]) -> int:
        """Find jobs in the provider's list, while that needs fewer calls than one per job.

        Remove those found from `left`.
        """
        changed, cursor = 0, None
        for _ in range(2 + len(left) // 50):
            async with self.context.providers.guard_call(provider):
                page = await provider.page(cursor)
            found = [sight for sight in page.sights if sight.observation.external_id in left]
            changed += (await self.context.recorder.record_jobs(provider, found, source)).changed
            for sight in found:
                self.seen(left.pop(sight.observation.external_id or ""), reached)
            if (
                len(left) <= FEW
                or page.next is None
                or (not has_trainings(left.values()) and is_behind(page.sights, left.values()))
            ):
                break
            cursor = page.next
        return changed

    async def look_one_by_one(
        self, provider: Provider, jobs: Sequence[Job], source: str, reached: Callable[[str], object], left: dict[str, Job]
    ) -> int:
        """Query jobs one by one, a few concurrently; remove those answered from `left`."""
        room = asyncio.Semaphore(PARALLEL)

        async def look(job: Job) -> int:
            async with room:
                changed = await self.look(provider, job, source)
            self.seen(job, reached)
            left.pop(job.external_id or "", None)
            return changed

        results = await asyncio.gather(*(look(job) for job in jobs), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return sum(result for result in results if isinstance(result, int))

    async def look(self, provider: Provider, job: Job, source: str) -> int:
        """Refresh one job; return 1 if it changed.

        A job that is repeatedly unknown to the provider becomes lost.
        """
        try:
            async with self.context.providers.guard_call(provider):
                sight = await provider.look(job)
        except NotFound:
            return await self.missed(provider, job, source)
        self.misses.pop(job.id, None)
        return await self.context.recorder.record_known_jobs(provider, [(job, sight)], source)

    async def missed(self, provider: Provider, job: Job, source: str) -> int:
        """Count a miss: conclude nothing before three of them, over two rounds at least."""
        self.misses[job.id] += 1
        if self.misses[job.id] == MISSES - 1:
            return await self.look(provider, job, source)  # a second round: ask once more
        if self.misses[job.id] < MISSES:
            self.context.recorder.stale_jobs.add(job.id)
            return 0
        del self.misses[job.id]
        now = self.context.clock.now_us()
        await self.context.observe(job, source, JobStatus.FAILED, raw_status=LOST, error_message=LOST, ended=now)
        return 1

    def seen(self, job: Job, reached: Callable[[str], object]) -> None:
        """Mark a job as refreshed."""
        if job.id not in self.misses:
            self.context.recorder.stale_jobs.discard(job.id)
        reached(job.id)

    # -- one job, now

    async def refresh_logs(self, job: Job) -> None:
        """Read a running job's latest logs. On failure, keep the stored ones and mark them as stale."""
        if job.provider == "local" or not self.context.providers.is_configured(job.provider):
            return
        try:
            provider = await self.context.providers.identify(job.provider)
            if not provider.has_heard_of(job):
                return
            if provider.account == job.account:
                await self.look(provider, job, "progress")
        except (RemoteUnavailable, RemoteRejected):
            self.context.recorder.stale_jobs.add(job.id)


def has_trainings(jobs: Iterable[Job]) -> bool:
    """Return whether some jobs are trainings; their list comes after the predictions."""
    return any(job.metadata.get("kind") == "training" for job in jobs)


def is_behind(sights: Sequence[ProviderJob], jobs: Iterable[Job]) -> bool:
    """Return whether a list, newest first, has passed all of these jobs."""
    times = [sight.created for sight in sights if sight.created is not None]
    return bool(times) and min(times) < min((job.created for job in jobs), default=0) - SLACK_US


def message(found: dict[str, int]) -> str:
    """Format the result for people, by provider."""
    said = " and ".join(f"{n} new job{'' if n == 1 else 's'} from {title}" for title, n in found.items())
    return f"Discovered {said}"
