"""Facts of job records, computed the plain way."""

from typing import Any

import msgspec

from tasuki.records import (
    Job,
    JobCreated,
    JobDeleted,
    JobRecord,
    Observation,
    ProviderHealth,
    apply_observation,
    encode,
    job_from_created,
)
from tasuki.testing.reference_store.run_facts import PlacedRecord

__all__ = ["JobFacts"]


class JobFacts:
    """The records of all journals of jobs."""

    def __init__(self, records: list[PlacedRecord]) -> None:
        ordered = sorted(records, key=lambda placed: (placed[2], placed[0], placed[1]))
        self.records = [placed for placed in ordered if isinstance(placed[3], JobRecord)]

    def dump(self) -> dict[str, Any]:
        """Their part of a dump."""
        told = [placed for placed in self.records if not isinstance(placed[3], ProviderHealth)]
        found: dict[str, Any] = {
            "job_records": [(w, o, clock, r.job, encode(r)) for w, o, clock, r in sorted(told, key=lambda placed: placed[:2])],  # type: ignore[union-attr, arg-type] # records of one job
            "jobs": [], "job_events": [], "job_externals": [], "providers": self.provider_rows(),
        }  # fmt: skip
        for id in sorted({record.job for *_, record in told}):  # type: ignore[union-attr] # as above
            self.add_job(id, found)
        found["job_externals"].sort()
        return found

    def add_job(self, id: str, found: dict[str, Any]) -> None:
        """One job, if it is known what it is."""
        told = [(clock, record) for _, _, clock, record in self.records if getattr(record, "job", None) == id]
        beginnings = [(record, clock) for clock, record in told if isinstance(record, JobCreated)]
        if not beginnings:
            return
        job: Job = job_from_created(*beginnings[0])
        events: list[tuple[Any, ...]] = [(id, 1, job.status, None, job.created, "created")]
        names = {job.external_id: 1} if job.external_id else {}
        for _, record in told:
            if isinstance(record, Observation):
                before = (job.status, job.attempt)
                job, _ = apply_observation(job, record)
                if record.external_id and record.external_id not in names:
                    names[record.external_id] = record.attempt
                if before != (job.status, job.attempt):
                    events.append((id, job.attempt, job.status, job.raw_status, record.time, record.source))
        found["job_externals"] += [(job.provider, job.account, name, id, attempt) for name, attempt in names.items()]
        if not any(isinstance(record, JobDeleted) for _, record in told):
            found["jobs"].append((id, msgspec.msgpack.encode(job)))
            found["job_events"] += events

    def provider_rows(self) -> list[tuple[Any, ...]]:
        """Return the latest health of each provider."""
        latest = {(r.provider, r.account): r for *_, r in self.records if isinstance(r, ProviderHealth)}
        return [(*name, int(r.degraded), r.detail, r.time) for name, r in sorted(latest.items())]
