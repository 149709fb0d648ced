"""Jobs in the projection: their records, and what those amount to.

A job's row is made anew from all its records, in the order (clock, writer, offset), whenever one is added: so it does not depend on
the order in which they came.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.records import (
    Job,
    JobCreated,
    JobDeleted,
    JobRecord,
    Observation,
    ProviderHealth,
    apply_observation,
    decode,
    encode,
    job_from_created,
)
from tasuki.store.apply.event_writer import ALL_USERS
from tasuki.store.apply.runs import RecordPosition, to_json

__all__ = ["JobProjection", "decode_state"]

JOB_COLUMNS = (
    "id", "provider", "account", "status", "raw_status", "attempt", "external_id", "user_id", "config_name", "hardware_type",
    "created", "updated", "started", "ended", "cost_usd", "cost_is_final", "error_message", "output_url", "discovered",
)  # fmt: skip
AddJobEvent = Callable[[str, dict[str, Any]], None]
"""Hears of what changed: whose it is, and the event."""
decode_state = msgspec.msgpack.Decoder(Job).decode
encode_state = msgspec.msgpack.Encoder().encode


class JobEvent(NamedTuple):
    """A status that a job came to have."""

    attempt: int
    status: str
    raw_status: str | None
    time: int
    source: str


class JobProjection:
    """Jobs of one transaction: records are inserted at once, job rows are computed at its end."""

    def __init__(self, db: apsw.Connection, add_event: AddJobEvent) -> None:
        self.db = db
        self.add_event = add_event
        self.changed_jobs: set[str] = set()

    def add_record(self, position: RecordPosition, record: JobRecord) -> None:
        """One more record."""
        if isinstance(record, ProviderHealth):
            self.set_provider_health(position, record)
            return
        assert isinstance(record, (JobCreated, Observation, JobDeleted))
        to_json(getattr(record, "metadata", None))
        self.db.execute(
            "INSERT INTO job_record VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (record.job, position.clock, position.writer, position.offset, encode(record)),
        )
        self.changed_jobs.add(record.job)

    def set_provider_health(self, position: RecordPosition, record: ProviderHealth) -> None:
        """Apply a provider's latest health."""
        self.db.execute(
            "INSERT INTO job_provider VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (provider, account) DO UPDATE SET"
            " degraded = excluded.degraded, detail = excluded.detail, since = excluded.since, clock = excluded.clock,"
            " writer = excluded.writer WHERE (excluded.clock, excluded.writer) > (clock, writer)",
            (record.provider, record.account, record.degraded, record.detail, record.time, position.clock, position.writer),
        )
        kind = "provider_degraded" if record.degraded else "provider_restored"
        self.add_event(ALL_USERS, {"type": kind, "provider": record.provider, "detail": record.detail})

    def forget_stream(self, writer: str) -> None:
        """Drop what one stream has said."""
        self.changed_jobs |= {
            job for (job,) in fetch_all(self.db, "SELECT DISTINCT job FROM job_record WHERE writer = ?", (writer,))
        }
        self.db.execute("DELETE FROM job_record WHERE writer = ?", (writer,))
        self.db.execute("DELETE FROM job_provider WHERE writer = ?", (writer,))

    def write(self) -> None:
        """Make the rows of all jobs of which there is news."""
        for job in sorted(self.changed_jobs):
            self.fold_job(job)
        self.changed_jobs.clear()

    def fold_job(self, id: str) -> None:
        """Make one job's row, its history and the names that it has at its provider."""
        told = fetch_all(self.db, 'SELECT clock, data FROM job_record WHERE job = ? ORDER BY clock, writer, "offset"', (id,))
        folded = fold_records([(clock, decode(data)) for clock, data in told])
        before = fetch_one(self.db, "SELECT state FROM job WHERE id = ?", (id,))
        for table, column in (("job", "id"), ("job_event", "job"), ("job_external", "job")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (id,))
        if folded is None:
            return
        job = folded.job
        self.db.executemany("INSERT INTO job_external VALUES (?, ?, ?, ?, ?)", (
            (job.provider, job.account, external_id, id, attempt) for external_id, attempt in sorted(folded.external_ids.items())
        ))  # fmt: skip
        if folded.is_deleted:
            if before is not None:
                self.add_event(job.user_id or "", {"type": "job_deleted", "job_id": id})
            return
        values = [getattr(job, column) for column in JOB_COLUMNS]
        more = (to_json(job.metadata), job.earlier_cost_usd, job.status.is_active, encode_state(job))
        marks = ", ".join("?" * (len(values) + len(more)))
        self.db.execute(f"INSERT INTO job VALUES ({marks})", (*values, *more))
        self.db.executemany(
            "INSERT INTO job_event VALUES (?, ?, ?, ?, ?, ?, ?)", ((id, n, *event) for n, event in enumerate(folded.events))
        )
        self.add_change_event(None if before is None else decode_state(before[0]), job)

    def add_change_event(self, before: Job | None, job: Job) -> None:
        """Tell what is new of a job, if anything is."""
        if before == job:
            return
        changed = before is None or (before.status, before.attempt) != (job.status, job.attempt)
        self.add_event(job.user_id or "", {
            "type": "job_status_changed" if changed else "job_updated", "job_id": job.id, "status": job.status,
            "previous_status": None if before is None else before.status, "raw_status": job.raw_status, "attempt": job.attempt,
            "provider": job.provider, "external_id": job.external_id, "cost_usd": job.cost_usd,
        })  # fmt: skip


class FoldedJob(NamedTuple):
    """The job that its records amount to."""

    job: Job
    is_deleted: bool
    external_ids: dict[str, int]
    events: list[JobEvent]


def fold_records(records: Sequence[tuple[int, object]]) -> FoldedJob | None:
    """Records in order, put through the one rule; None while nothing says what the job is."""
    created = next(((record, clock) for clock, record in records if isinstance(record, JobCreated)), None)
    if created is None:
        return None
    job = job_from_created(*created)
    externals = {} if job.external_id is None else {job.external_id: 1}
    events = [JobEvent(1, job.status, None, job.created, "created")]
    deleted = False
    for _, record in records:
        if isinstance(record, JobDeleted):
            deleted = True
        elif isinstance(record, Observation):
            job, changes = apply_observation(job, record)
            if record.external_id is not None:
                externals.setdefault(record.external_id, record.attempt)
            if any(change.status_changed for change in changes):
                events.append(JobEvent(job.attempt, job.status, job.raw_status, record.time, record.source))
    return FoldedJob(job, deleted, externals, events)
