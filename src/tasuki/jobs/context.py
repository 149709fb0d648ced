"""The desk: what all that is done with jobs shares. Records, logs, providers, and whether those may be asked."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import ConfigError, NotFound, RemoteError, RemoteUnavailable
from tasuki.hpc.host import SITES_FILE
from tasuki.jobs.circuit_breaker import CircuitBreaker
from tasuki.jobs.providers import open_provider
from tasuki.jobs.providers.config_file import ProviderConfigFile
from tasuki.jobs.providers.prices import cost_of
from tasuki.jobs.providers.protocol import Provider, ProviderJob
from tasuki.jobs.schemas import SyncState
from tasuki.jobs.storage.job_journal import JobJournal
from tasuki.jobs.storage.log_store import LogStore
from tasuki.records import Job, JobCreated, JobRecord, JobStatus, Observation, ProviderHealth, apply_observation
from tasuki.settings import Settings
from tasuki.store import JobQueries

__all__ = ["JobContext", "RecordCounts"]

T = TypeVar("T")


class RecordCounts(NamedTuple):
    """What came of what a provider said: jobs that are new here, and jobs of which there was news."""

    found: int = 0
    changed: int = 0

    def __add__(self, other: "RecordCounts") -> "RecordCounts":  # type: ignore[override] # of tuples it would be another thing
        return RecordCounts(self.found + other.found, self.changed + other.changed)


class JobContext:
    """Of one data folder. To be used from one event loop; `changed` is called when jobs have changed."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM, changed: Callable[[], object] = lambda: None) -> None:
        self.settings = settings
        self.clock = clock
        self.changed = changed
        self.logs = LogStore(settings.dir)
        self.configured = ProviderConfigFile(settings.dir)
        self.providers: dict[str, Provider] = {}
        self.healths: dict[str, CircuitBreaker] = {}
        self.told_degraded: dict[str, bool] = {}
        self.quality: dict[str, SyncState] = {}
        """Jobs of which the last look did not succeed."""
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="tasuki-jobs")
        self.ledger: JobJournal | None = None
        self.freed = asyncio.Event()
        """A job is over: there may be room for another."""

    async def close(self) -> None:
        """Close everything. Jobs go on."""
        for provider in self.providers.values():
            await provider.close()
        self.providers.clear()
        await self.in_thread(self.close_ledger)
        self.thread.shutdown()

    def close_ledger(self) -> None:
        """In the thread that has opened it."""
        if self.ledger is not None:
            self.ledger.close()
            self.ledger = None

    # -- records

    async def in_thread(self, action: Callable[..., T], *arguments: object) -> T:
        """Do it in the one thread that has the ledger."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, action, *arguments)

    def book(self) -> JobJournal:
        """The ledger, opened when first used. In the thread."""
        if self.ledger is None:
            self.ledger = JobJournal(self.settings, clock=self.clock)
        return self.ledger

    async def ask(self, question: Callable[[JobQueries], T]) -> T:
        """Answer from everything that is recorded now."""
        return await self.in_thread(lambda: self.book().ask(question))

    async def record(self, *facts: JobRecord) -> None:
        """Put facts on the disk; whoever asks then sees them."""
        await self.in_thread(lambda: self.book().record(facts))
        await self.tell()

    async def observe(self, job: Job, source: str, status: JobStatus | None = None, **facts: object) -> Job:
        """Record what is seen here of a job, if it changes anything; the job as it is then."""
        now, status = self.clock.now_us(), status or job.status
        seen = Observation(time=now, job=job.id, attempt=job.attempt, source=source, status=status, **facts)  # type: ignore[arg-type] # fields of it
        if apply_observation(job, seen)[1]:
            await self.record(seen)
        return (await self.ask(lambda questions: questions.job(job.id))).job

    async def tell(self) -> None:
        """Something changed: whoever listens, and whoever waits for room, looks."""
        await self.ask(lambda _: None)  # so that the events are there
        self.freed.set()
        self.changed()

    async def take(self, provider: Provider, sights: Sequence[ProviderJob], source: str, *, discover: bool = False) -> RecordCounts:
        """Record what is new in what a provider says of its jobs; those that nobody here knows only where it is to `discover`."""
        facts, taken = await self.in_thread(self.news, provider, sights, source, discover)
        if facts:
            await self.tell()
        return taken

    async def take_known(self, provider: Provider, sights: Sequence[tuple[Job, ProviderJob]], source: str) -> int:
        """Record what is new in what a provider says of jobs that it was asked for; of how many there was news."""

        def news() -> list[JobRecord]:
            """In the thread, so that nothing comes between the look and the record."""
            jobs = self.book().ask(lambda questions: questions.jobs({job.id for job, _ in sights}))
            facts: list[JobRecord] = []
            for job, sight in sights:
                if job.id in jobs:
                    attempt = max(job.attempt, sight.observation.attempt)  # a provider may have tried it again by itself
                    facts += self.seen(provider, jobs[job.id], attempt, sight, source)
            if facts:
                self.book().record(facts)
            return facts

        facts = await self.in_thread(news)
        if facts:
            await self.tell()
        return len(facts)

    def news(
        self, provider: Provider, sights: Sequence[ProviderJob], source: str, discover: bool
    ) -> tuple[list[JobRecord], RecordCounts]:
        """What is new in it, recorded. In the thread, so that nothing comes between the look and the record."""
        by_name = {sight.observation.external_id or "": sight for sight in sights}
        account = provider.account or ""
        known = self.book().ask(lambda questions: questions.known(provider.name, account, by_name))
        jobs = self.book().ask(lambda questions: questions.jobs({one.job for one in known.values()}))
        facts: list[JobRecord] = []
        found = 0
        for name, sight in by_name.items():
            if name in known:
                if known[name].job in jobs:
                    facts += self.seen(provider, jobs[known[name].job], known[name].attempt, sight, source)
            elif discover:
                found += 1
                facts += self.discovered(provider, name, sight, source)
        if facts:
            self.book().record(facts)
        return facts, RecordCounts(found, len(facts) - 2 * found)

    def seen(self, provider: Provider, job: Job, attempt: int, sight: ProviderJob, source: str) -> list[Observation]:
        """What a sight says that is new of a job that is known; what it has of logs is kept."""
        if sight.logs:
            self.logs.keep(job.id, attempt, sight.logs)
        self.quality.pop(job.id, None)
        seen = self.dated(provider, job, attempt, sight, source)
        return [seen] if apply_observation(job, seen)[1] else []

    def dated(self, provider: Provider, job: Job, attempt: int, sight: ProviderJob, source: str) -> Observation:
        """A sight as it is recorded: of which job, when, by whom, and what it has cost."""
        seen = sight.observation
        hardware = job.hardware_type or seen.hardware_type or provider.hardware
        is_final = seen.status is not None and seen.status.is_final
        cost = cost_of(hardware, sight.seconds, provider.prices) if sight.seconds is not None and is_final else None
        return msgspec.structs.replace(
            seen, job=job.id, attempt=attempt, source=source, time=self.clock.now_us(), cost_usd=cost,
            cost_is_final=cost is not None, hardware_type=hardware,
        )  # fmt: skip

    def discovered(self, provider: Provider, name: str, sight: ProviderJob, source: str) -> list[JobRecord]:
        """A job that was submitted elsewhere; its id is made from its name, so that it is the same whoever finds it."""
        account = provider.account or ""
        id = hashlib.sha256(f"{provider.name} {account} {name}".encode()).hexdigest()[:12]
        now = self.clock.now_us()
        created = JobCreated(
            time=now, job=id, provider=provider.name, account=account, external_id=name, created=sight.created,
            metadata=sight.observation.metadata,
        )  # fmt: skip
        job = Job(id=id, provider=provider.name, account=account, created=sight.created or now, updated=now)
        if sight.logs:
            self.logs.keep(id, 1, sight.logs)
        return [created, self.dated(provider, job, 1, sight, source)]

    # -- providers

    def provider(self, name: str) -> Provider:
        """A provider. NotFound for one that is none, or is not set up."""
        if name not in self.providers:
            self.providers[name] = open_provider(name, self.settings, self.configured.of(name), self.clock)
        return self.providers[name]

    async def reopen(self, name: str) -> None:
        """Its configuration has changed."""
        provider = self.providers.pop(name, None)
        self.healths.pop(name, None)
        if provider is not None:
            await provider.close()

    def health(self, name: str) -> CircuitBreaker:
        """Whether a provider may be asked now."""
        return self.healths.setdefault(name, CircuitBreaker(self.clock))

    @asynccontextmanager
    async def asking(self, provider: Provider) -> AsyncIterator[None]:
        """For a call to a provider: it may have to wait, and its answer counts. RemoteUnavailable where it is not to be asked."""
        health = self.health(provider.name)
        health.enter()
        try:
            yield
        except asyncio.CancelledError:
            health.leave(RemoteUnavailable("no answer in time"))
            raise
        except (RemoteError, NotFound, ConfigError) as error:
            health.leave(error)
            raise
        else:
            health.leave(None)
        finally:
            health.probing = False
            await asyncio.shield(self.tell_health(provider, health))

    async def tell_health(self, provider: Provider, health: CircuitBreaker) -> None:
        """Record that a provider has stopped to answer, or answers again."""
        if provider.name not in self.told_degraded:
            degraded = await self.ask(lambda questions: questions.degraded())
            self.told_degraded[provider.name] = provider.name in {one.provider for one in degraded}
        if self.told_degraded[provider.name] is not health.is_degraded:
            self.told_degraded[provider.name] = health.is_degraded
            await self.record(ProviderHealth(
                time=self.clock.now_us(), provider=provider.name, account=provider.account or "", degraded=health.is_degraded,
                detail=health.detail if health.is_degraded else "",
            ))  # fmt: skip

    async def identified(self, name: str) -> Provider:
        """A provider whose account is known: as it once said, or as it says now."""
        provider = self.provider(name)
        if provider.account is None:
            key = hashlib.sha256(str(self.key_of(name)).encode()).hexdigest()
            provider.account = await self.in_thread(lambda: self.book().register.account(name, key))
            if provider.account is None:
                async with self.asking(provider):
                    await provider.validate()
                account = self.provider(name).account or ""
                await self.in_thread(lambda: self.book().register.keep_account(name, key, account))
        return provider

    def key_of(self, name: str) -> str | None:
        """The key that is used with a provider."""
        token: Any = self.configured.of(name).get("token")
        if token is None and name == "replicate":
            token = self.settings.providers.replicate.token
        return None if token is None else str(token)

    def is_configured(self, name: str) -> bool:
        """Whether there is all that it needs."""
        if name == "hpc":
            return (self.settings.dir / SITES_FILE).exists()
        return name == "local" or self.key_of(name) is not None

    def sync_state(self, job: Job, degraded: Collection[str]) -> SyncState:
        """How good what is known of a job is; what is over does not change any more."""
        if job.status.is_final:
            return SyncState.FRESH
        provider = self.providers.get(job.provider)
        is_strange = provider is not None and provider.account not in (None, job.account)
        if job.provider in degraded or is_strange or not self.is_configured(job.provider):
            return SyncState.UNREACHABLE
        return self.quality.get(job.id, SyncState.FRESH)
