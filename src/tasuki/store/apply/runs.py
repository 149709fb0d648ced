"""Apply records of a run, except its points: fields, config, tags, attempts, progress, stop requests."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from tasuki.database.sqlite import fetch_all
from tasuki.records import RunProgress, RunStarted, RunStatus, RunText, RunUpdated, StopRequested

__all__ = [
    "RecordPosition",
    "apply_run_progress",
    "apply_run_started",
    "apply_run_status",
    "apply_run_text",
    "apply_run_updated",
    "apply_stop_requested",
    "to_json",
]


class RecordPosition(NamedTuple):
    """Stream, offset, and clock of a record."""

    writer: str
    offset: int
    clock: int


def apply_run_started(db: apsw.Connection, run: int, position: RecordPosition, record: RunStarted) -> None:
    """Apply the start of an attempt. Each journal of the attempt repeats this record; the earliest counts."""
    db.execute(
        "INSERT INTO run_attempt (run, attempt, clock, writer, environment) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run, attempt) DO UPDATE SET clock = excluded.clock, writer = excluded.writer,"
        " environment = excluded.environment"
        " WHERE clock IS NULL OR (excluded.clock, excluded.writer) < (clock, writer)",
        (run, record.attempt, position.clock, position.writer, to_json(record.environment)),
    )
    db.execute("INSERT INTO attempt_writer VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (run, record.attempt, position.writer))
    if isinstance(job := record.environment.get("job"), str):
        db.execute(
            "INSERT INTO run_job VALUES (?, ?, ?, ?) ON CONFLICT (run, job) DO UPDATE SET clock = excluded.clock,"
            " writer = excluded.writer WHERE (excluded.clock, excluded.writer) < (clock, writer)",
            (run, job, position.clock, position.writer),
        )
    db.execute("UPDATE run SET created = min(coalesce(created, ?1), ?1) WHERE key = ?2", (position.clock, run))
    db.execute("UPDATE summary SET born = ?1 WHERE run = ?2 AND settled AND born > ?1", (position.clock, run))
    set_fields(db, run, position, record, record.config)
    set_tags(db, run, position, added=record.tags, removed=())


def apply_run_updated(db: apsw.Connection, run: int, position: RecordPosition, record: RunUpdated) -> None:
    """Fields, config keys and tags change."""
    set_fields(db, run, position, record, record.config)
    set_tags(db, run, position, added=record.tags_added, removed=record.tags_removed)


def set_fields(
    db: apsw.Connection, run: int, position: RecordPosition, record: RunStarted | RunUpdated, config: dict[str, Any]
) -> None:
    """The latest value of each field and of each top-level config key wins."""
    fields = {"name": record.name, "group_name": record.group, "notes": record.notes}
    changed = {field: value for field, value in fields.items() if value is not None}
    changed |= {f"config.{key}": value for key, value in config.items()}
    db.executemany(
        "INSERT INTO run_field VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, field) DO UPDATE SET"
        " value = excluded.value, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
        ((run, field, to_json(value), position.clock, position.writer) for field, value in changed.items()),
    )
    if changed:
        update_run_row(db, run)


def update_run_row(db: apsw.Connection, run: int) -> None:
    """Put the fields as they stand into the run's row."""
    fields = dict(fetch_all(db, "SELECT field, value FROM run_field WHERE run = ? ORDER BY field", (run,)))
    config = {field[7:]: json.loads(value) for field, value in fields.items() if field.startswith("config.")}
    shown = [json.loads(fields[field]) if field in fields else None for field in ("name", "group_name", "notes")]
    db.execute(
        "UPDATE run SET name = ?, group_name = ?, notes = ?, config = ? WHERE key = ?",
        (*shown, to_json(config) if config else None, run),
    )


def set_tags(db: apsw.Connection, run: int, position: RecordPosition, *, added: Iterable[str], removed: Iterable[str]) -> None:
    """Tags are a set; of adding and removing one, the later counts."""
    changed = dict.fromkeys(added, 1) | dict.fromkeys(removed, 0)
    db.executemany(
        "INSERT INTO run_tag VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, tag) DO UPDATE SET"
        " present = excluded.present, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
        ((run, tag, present, position.clock, position.writer) for tag, present in changed.items()),
    )
    if changed:
        tags = [tag for (tag,) in db.execute("SELECT tag FROM run_tag WHERE run = ? AND present ORDER BY tag", (run,))]
        db.execute("UPDATE run SET tags = ? WHERE key = ?", (to_json(tags), run))


def apply_run_status(db: apsw.Connection, run: int, position: RecordPosition, record: RunStatus) -> None:
    """The first final status of an attempt stands; until there is one, it runs if somebody says so."""
    if not record.status.is_final:
        db.execute(
            "INSERT INTO run_attempt (run, attempt, status) VALUES (?1, ?2, ?3) ON CONFLICT (run, attempt) DO UPDATE"
            " SET status = ?3 WHERE status_clock IS NULL",
            (run, record.attempt, record.status),
        )
    else:
        db.execute(
            "INSERT INTO run_attempt (run, attempt, status, reason, status_clock, status_writer) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (run, attempt) DO UPDATE SET status = excluded.status, reason = excluded.reason,"
            " status_clock = excluded.status_clock, status_writer = excluded.status_writer WHERE status_clock IS NULL"
            " OR (excluded.status_clock, excluded.status_writer) < (status_clock, status_writer)",
            (run, record.attempt, record.status, record.reason, position.clock, position.writer),
        )


def apply_stop_requested(db: apsw.Connection, run: int, position: RecordPosition, record: StopRequested) -> None:
    """The first request for an attempt stands."""
    db.execute(
        "INSERT INTO run_stop VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run, attempt) DO UPDATE SET"
        " reason = excluded.reason, asked_by = excluded.asked_by, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) < (clock, writer)",
        (run, record.attempt, record.reason, record.by, position.clock, position.writer),
    )


def apply_run_progress(db: apsw.Connection, run: int, position: RecordPosition, record: RunProgress) -> None:
    """The latest counts."""
    db.execute(
        "INSERT INTO run_progress VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, attempt) DO UPDATE SET"
        " done = excluded.done, total = excluded.total, rate = excluded.rate, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
        (run, record.attempt, record.done, record.total, record.rate, position.clock, position.writer),
    )


def apply_run_text(db: apsw.Connection, run: int, position: RecordPosition, record: RunText) -> None:
    """One more piece."""
    row = (run, record.attempt, record.name, position.clock, position.writer, position.offset, record.text)
    db.execute("INSERT INTO run_text VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def to_json(value: Any) -> str:
    """JSON with sorted keys; NaN and infinities are written as Python and JavaScript name them."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
