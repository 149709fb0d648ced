"""Record the changes in the job states that providers report."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tasuki.jobs.providers.prices import compute_cost
from tasuki.jobs.providers.protocol import Provider, ProviderJob
from tasuki.jobs.storage.journal_access import JournalAccess
from tasuki.jobs.storage.log_store import LogStore
from tasuki.records import Job, JobCreated, JobRecord, Observation, apply_observation

__all__ = ["ObservationRecorder", "RecordCounts"]


class RecordCounts(NamedTuple):
    """Numbers of jobs that a provider's report added (`found`) and changed."""

    discovered: int = 0
    changed: int = 0

    def __add__(self, other: "RecordCounts") -> "RecordCounts":  # type: ignore[override] # adds the counts instead of joining the tuples
        return RecordCounts(self.discovered + other.discovered, self.changed + other.changed)


class ObservationRecorder:
    """Turns job states that providers report into records, and stores the reported logs."""

    def __init__(self, journal: JournalAccess, logs: LogStore) -> None:
        self.journal = journal
        self.logs = logs
        self.stale_jobs: set[str] = set()
        """Ids of the jobs whose last poll failed."""

    async def record_jobs(
        self, provider: Provider, reported: Sequence[ProviderJob], source: str, *, discover: bool = False
    ) -> RecordCounts:
        """Record changes in a provider's jobs; add unknown jobs only if `discover` is set."""
        facts, counts = await self.journal.run_in_thread(self.write_changes, provider, reported, source, discover)
        if facts:
            await self.journal.notify()
        return counts

    async def record_known_jobs(self, provider: Provider, reported: Sequence[tuple[Job, ProviderJob]], source: str) -> int:
        """Record changes in jobs that the provider was asked for. Return the number of changed jobs."""
        facts = await self.journal.run_in_thread(self.write_known_changes, provider, reported, source)
        if facts:
            await self.journal.notify()
        return len(facts)

    def write_known_changes(self, provider: Provider, reported: Sequence[tuple[Job, ProviderJob]], source: str) -> list[JobRecord]:
        """Write and return changes in known jobs. In the journal's thread, so nothing intervenes."""
        jobs = self.journal.open_journal().run_query(lambda queries: queries.jobs({job.id for job, _ in reported}))
        facts: list[JobRecord] = []
        for job, state in reported:
            if job.id in jobs:
                attempt = max(job.attempt, state.observation.attempt)  # a provider may have retried the job by itself
                facts += self.collect_changes(provider, jobs[job.id], attempt, state, source)
        if facts:
            self.journal.open_journal().record(facts)
        return facts

    def write_changes(
        self, provider: Provider, reported: Sequence[ProviderJob], source: str, discover: bool
    ) -> tuple[list[JobRecord], RecordCounts]:
        """Write and return changes in a provider's jobs. In the journal's thread, so nothing intervenes."""
        by_name = {state.observation.external_id or "": state for state in reported}
        account = provider.account or ""
        known = self.journal.open_journal().run_query(lambda queries: queries.jobs_by_external_id(provider.name, account, by_name))
        jobs = self.journal.open_journal().run_query(lambda queries: queries.jobs({one.job for one in known.values()}))
        facts: list[JobRecord] = []
        found = 0
        for name, state in by_name.items():
            if name in known:
                if known[name].job in jobs:
                    facts += self.collect_changes(provider, jobs[known[name].job], known[name].attempt, state, source)
            elif discover:
                found += 1
                facts += self.create_discovered_job(provider, name, state, source)
        if facts:
            self.journal.open_journal().record(facts)
        return facts, RecordCounts(found, len(facts) - 2 * found)

    def collect_changes(self, provider: Provider, job: Job, attempt: int, state: ProviderJob, source: str) -> list[Observation]:
        """Store a known job's reported logs. Return the observation if it changes the job, else an empty list."""
        if state.logs:
            self.logs.merge_text(job.id, attempt, state.logs)
        self.stale_jobs.discard(job.id)
        observation = self.build_observation(provider, job, attempt, state, source)
        return [observation] if apply_observation(job, observation)[1] else []

    def build_observation(self, provider: Provider, job: Job, attempt: int, state: ProviderJob, source: str) -> Observation:
        """Build the record of a reported state: add the job, the time, the source, and the cost."""
        observation = state.observation
        hardware = job.hardware_type or observation.hardware_type or provider.hardware
        is_final = observation.status is not None and observation.status.is_final
        cost = compute_cost(hardware, state.seconds, provider.prices) if state.seconds is not None and is_final else None
        return msgspec.structs.replace(
            observation, job=job.id, attempt=attempt, source=source, time=self.journal.clock.now_us(), cost_usd=cost,
            cost_is_final=cost is not None, hardware_type=hardware,
        )  # fmt: skip

    def create_discovered_job(self, provider: Provider, name: str, state: ProviderJob, source: str) -> list[JobRecord]:
        """Build the records of a job submitted elsewhere; its id is a hash of its name at the provider."""
        account = provider.account or ""
        id = hashlib.sha256(f"{provider.name} {account} {name}".encode()).hexdigest()[:12]
        now = self.journal.clock.now_us()
        created = JobCreated(
            time=now, job=id, provider=provider.name, account=account, external_id=name, created=state.created,
            metadata=state.observation.metadata,
        )  # fmt: skip
        job = Job(id=id, provider=provider.name, account=account, created=state.created or now, updated=now)
        if state.logs:
            self.logs.merge_text(id, 1, state.logs)
        return [created, self.build_observation(provider, job, 1, state, source)]
