"""Jobs in the projection: their records, and what those amount to.

A job's row is made anew from all its records, in the order (clock, writer, offset), whenever one is added: so it does not depend on
the order in which they came.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from tasuki.database.sqlite import one, rows
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
from tasuki.store.apply.event_writer import EVERYBODYS
from tasuki.store.apply.runs import RecordPosition, to_json

__all__ = ["JobProjection", "decode_state"]

COLUMNS = (
    "id", "provider", "account", "status", "raw_status", "attempt", "external_id", "user_id", "config_name", "hardware_type",
    "created", "updated", "started", "ended", "cost_usd", "cost_is_final", "error_message", "output_url", "discovered",
)  # fmt: skip
Tell = Callable[[str, dict[str, Any]], None]
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
    """The jobs of one transaction: their records go into the table at once, their rows are made at its end."""

    def __init__(self, db: apsw.Connection, tell: Tell) -> None:
        self.db = db
        self.tell = tell
        self.changed: set[str] = set()

    def add(self, place: RecordPosition, record: JobRecord) -> None:
        """One more record."""
        if isinstance(record, ProviderHealth):
            self.set_health(place, record)
            return
        assert isinstance(record, (JobCreated, Observation, JobDeleted))
        to_json(getattr(record, "metadata", None))
        self.db.execute(
            "INSERT INTO job_record VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (record.job, place.clock, place.writer, place.offset, encode(record)),
        )
        self.changed.add(record.job)

    def set_health(self, place: RecordPosition, record: ProviderHealth) -> None:
        """What was said last of a provider stands."""
        self.db.execute(
            "INSERT INTO job_provider VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (provider, account) DO UPDATE SET"
            " degraded = excluded.degraded, detail = excluded.detail, since = excluded.since, clock = excluded.clock,"
            " writer = excluded.writer WHERE (excluded.clock, excluded.writer) > (clock, writer)",
            (record.provider, record.account, record.degraded, record.detail, record.time, place.clock, place.writer),
        )
        kind = "provider_degraded" if record.degraded else "provider_restored"
        self.tell(EVERYBODYS, {"type": kind, "provider": record.provider, "detail": record.detail})

    def forget(self, writer: str) -> None:
        """Drop what one stream has said."""
        self.changed |= {job for (job,) in rows(self.db, "SELECT DISTINCT job FROM job_record WHERE writer = ?", (writer,))}
        self.db.execute("DELETE FROM job_record WHERE writer = ?", (writer,))
        self.db.execute("DELETE FROM job_provider WHERE writer = ?", (writer,))

    def write(self) -> None:
        """Make the rows of all jobs of which there is news."""
        for job in sorted(self.changed):
            self.fold(job)
        self.changed.clear()

    def fold(self, id: str) -> None:
        """Make one job's row, its history and the names that it has at its provider."""
        told = rows(self.db, 'SELECT clock, data FROM job_record WHERE job = ? ORDER BY clock, writer, "offset"', (id,))
        folded = fold([(clock, decode(data)) for clock, data in told])
        before = one(self.db, "SELECT state FROM job WHERE id = ?", (id,))
        for table, column in (("job", "id"), ("job_event", "job"), ("job_external", "job")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (id,))
        if folded is None:
            return
        job = folded.job
        self.db.executemany("INSERT INTO job_external VALUES (?, ?, ?, ?, ?)", (
            (job.provider, job.account, external_id, id, attempt) for external_id, attempt in sorted(folded.externals.items())
        ))  # fmt: skip
        if folded.deleted:
            if before is not None:
                self.tell(job.user_id or "", {"type": "job_deleted", "job_id": id})
            return
        values = [getattr(job, column) for column in COLUMNS]
        more = (to_json(job.metadata), job.earlier_cost_usd, job.status.is_active, encode_state(job))
        marks = ", ".join("?" * (len(values) + len(more)))
        self.db.execute(f"INSERT INTO job VALUES ({marks})", (*values, *more))
        self.db.executemany(
            "INSERT INTO job_event VALUES (?, ?, ?, ?, ?, ?, ?)", ((id, n, *event) for n, event in enumerate(folded.events))
        )
        self.tell_change(None if before is None else decode_state(before[0]), job)

    def tell_change(self, before: Job | None, job: Job) -> None:
        """Tell what is new of a job, if anything is."""
        if before == job:
            return
        changed = before is None or (before.status, before.attempt) != (job.status, job.attempt)
        self.tell(job.user_id or "", {
            "type": "job_status_changed" if changed else "job_updated", "job_id": job.id, "status": job.status,
            "previous_status": None if before is None else before.status, "raw_status": job.raw_status, "attempt": job.attempt,
            "provider": job.provider, "external_id": job.external_id, "cost_usd": job.cost_usd,
        })  # fmt: skip


class FoldedJob(NamedTuple):
    """What the records of a job amount to."""

    job: Job
    deleted: bool
    externals: dict[str, int]
    events: list[JobEvent]


def fold(told: Sequence[tuple[int, object]]) -> FoldedJob | None:
    """Records in order, put through the one rule; None while nothing says what the job is."""
    created = next(((record, clock) for clock, record in told if isinstance(record, JobCreated)), None)
    if created is None:
        return None
    job = job_from_created(*created)
    externals = {} if job.external_id is None else {job.external_id: 1}
    events = [JobEvent(1, job.status, None, job.created, "created")]
    deleted = False
    for _, record in told:
        if isinstance(record, JobDeleted):
            deleted = True
        elif isinstance(record, Observation):
            job, changes = apply_observation(job, record)
            if record.external_id is not None:
                externals.setdefault(record.external_id, record.attempt)
            if any(change.status_changed for change in changes):
                events.append(JobEvent(job.attempt, job.status, job.raw_status, record.time, record.source))
    return FoldedJob(job, deleted, externals, events)
