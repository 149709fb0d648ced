"""What records say about a run but its points: its fields, config, tags, attempts, how far they came, who asked for their end."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from tasuki.database.sqlite import rows
from tasuki.records import RunProgress, RunStarted, RunStatus, RunText, RunUpdated, StopRequested

__all__ = ["RecordPosition", "run_progress", "run_started", "run_status", "run_stop", "run_text", "run_updated", "to_json"]


class RecordPosition(NamedTuple):
    """Where in which stream a record lies, and its clock."""

    writer: str
    offset: int
    clock: int


def run_started(db: apsw.Connection, run: int, place: RecordPosition, record: RunStarted) -> None:
    """An attempt begins. Each file of the attempt begins with a copy of this record: the earliest is its beginning."""
    db.execute(
        "INSERT INTO run_attempt (run, attempt, clock, writer, environment) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run, attempt) DO UPDATE SET clock = excluded.clock, writer = excluded.writer,"
        " environment = excluded.environment"
        " WHERE clock IS NULL OR (excluded.clock, excluded.writer) < (clock, writer)",
        (run, record.attempt, place.clock, place.writer, to_json(record.environment)),
    )
    db.execute("INSERT INTO attempt_writer VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (run, record.attempt, place.writer))
    if isinstance(job := record.environment.get("job"), str):
        db.execute(
            "INSERT INTO run_job VALUES (?, ?, ?, ?) ON CONFLICT (run, job) DO UPDATE SET clock = excluded.clock,"
            " writer = excluded.writer WHERE (excluded.clock, excluded.writer) < (clock, writer)",
            (run, job, place.clock, place.writer),
        )
    db.execute("UPDATE run SET created = min(coalesce(created, ?1), ?1) WHERE key = ?2", (place.clock, run))
    db.execute("UPDATE summary SET born = ?1 WHERE run = ?2 AND settled AND born > ?1", (place.clock, run))
    set_fields(db, run, place, record, record.config)
    set_tags(db, run, place, added=record.tags, removed=())


def run_updated(db: apsw.Connection, run: int, place: RecordPosition, record: RunUpdated) -> None:
    """Fields, config keys and tags change."""
    set_fields(db, run, place, record, record.config)
    set_tags(db, run, place, added=record.tags_added, removed=record.tags_removed)


def set_fields(
    db: apsw.Connection, run: int, place: RecordPosition, record: RunStarted | RunUpdated, config: dict[str, Any]
) -> None:
    """The latest value of each field and of each top-level config key wins."""
    fields = {"name": record.name, "group_name": record.group, "notes": record.notes}
    changed = {field: value for field, value in fields.items() if value is not None}
    changed |= {f"config.{key}": value for key, value in config.items()}
    db.executemany(
        "INSERT INTO run_field VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, field) DO UPDATE SET"
        " value = excluded.value, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
        ((run, field, to_json(value), place.clock, place.writer) for field, value in changed.items()),
    )
    if changed:
        show_fields(db, run)


def show_fields(db: apsw.Connection, run: int) -> None:
    """Put the fields as they stand into the run's row."""
    fields = dict(rows(db, "SELECT field, value FROM run_field WHERE run = ? ORDER BY field", (run,)))
    config = {field[7:]: json.loads(value) for field, value in fields.items() if field.startswith("config.")}
    shown = [json.loads(fields[field]) if field in fields else None for field in ("name", "group_name", "notes")]
    db.execute(
        "UPDATE run SET name = ?, group_name = ?, notes = ?, config = ? WHERE key = ?",
        (*shown, to_json(config) if config else None, run),
    )


def set_tags(db: apsw.Connection, run: int, place: RecordPosition, *, added: Iterable[str], removed: Iterable[str]) -> None:
    """Tags are a set; of adding and removing one, the later counts."""
    changed = dict.fromkeys(added, 1) | dict.fromkeys(removed, 0)
    db.executemany(
        "INSERT INTO run_tag VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, tag) DO UPDATE SET"
        " present = excluded.present, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
        ((run, tag, present, place.clock, place.writer) for tag, present in changed.items()),
    )
    if changed:
        tags = [tag for (tag,) in db.execute("SELECT tag FROM run_tag WHERE run = ? AND present ORDER BY tag", (run,))]
        db.execute("UPDATE run SET tags = ? WHERE key = ?", (to_json(tags), run))


def run_status(db: apsw.Connection, run: int, place: RecordPosition, record: RunStatus) -> None:
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
            (run, record.attempt, record.status, record.reason, place.clock, place.writer),
        )


def run_stop(db: apsw.Connection, run: int, place: RecordPosition, record: StopRequested) -> None:
    """The first request for an attempt stands."""
    db.execute(
        "INSERT INTO run_stop VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run, attempt) DO UPDATE SET"
        " reason = excluded.reason, asked_by = excluded.asked_by, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) < (clock, writer)",
        (run, record.attempt, record.reason, record.by, place.clock, place.writer),
    )


def run_progress(db: apsw.Connection, run: int, place: RecordPosition, record: RunProgress) -> None:
    """The latest counts."""
    db.execute(
        "INSERT INTO run_progress VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, attempt) DO UPDATE SET"
        " done = excluded.done, total = excluded.total, rate = excluded.rate, clock = excluded.clock, writer = excluded.writer"
        " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
        (run, record.attempt, record.done, record.total, record.rate, place.clock, place.writer),
    )


def run_text(db: apsw.Connection, run: int, place: RecordPosition, record: RunText) -> None:
    """One more piece."""
    row = (run, record.attempt, record.name, place.clock, place.writer, place.offset, record.text)
    db.execute("INSERT INTO run_text VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def to_json(value: Any) -> str:
    """JSON with sorted keys; NaN and infinities are written as Python and JavaScript name them."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
