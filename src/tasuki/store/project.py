"""The projector: turns streams of frames into rows.

It may be run by anyone, at any time, in any number of processes: each transaction re-reads a stream's position inside BEGIN
IMMEDIATE and moves it together with the rows, so nothing is projected twice. The rows do not depend on how streams were cut or
interleaved: every rule is a maximum, a minimum, a sum or a set over (step, clock, writer).
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from zlib import crc32

import apsw

from tasuki.errors import BadRecord
from tasuki.journal import Stream
from tasuki.records import (
    Alert,
    FlatMetrics,
    Lost,
    Metrics,
    Record,
    RunDeleted,
    RunStarted,
    RunStatus,
    RunUpdated,
    Salvaged,
    Unknown,
    decode,
    frames,
)
from tasuki.store import metrics
from tasuki.store.events import Events
from tasuki.store.points import Points, collect
from tasuki.store.sql import one, rows

__all__ = ["Projection", "flat_numbers"]

SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1


class Place(NamedTuple):
    """Where in which stream a record lies, and its clock."""

    writer: str
    offset: int
    clock: int


class Progress(NamedTuple):
    """How far a stream is projected."""

    offset: int
    crc: int
    clock: int
    records: int
    sealed: bool


NOT_BEGUN = Progress(0, 0, 0, 0, False)


class Projection:
    """One transaction's worth of projecting, on a connection that is inside BEGIN IMMEDIATE."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.ids = metrics.MetricIds(db)
        self.events = Events()

    def progress(self, writer: str) -> Progress:
        """How far a stream is projected."""
        row = one(self.db, 'SELECT "offset", crc, clock, records, sealed FROM writer WHERE id = ?', (writer,))
        return Progress(*row) if row else NOT_BEGUN

    def add(self, stream: Stream, data: bytes) -> None:
        """Project the whole frames that follow what is projected of the stream, and move its position."""
        before = self.progress(stream.writer)
        run = self.run_key(stream)
        end, clock, records = 0, before.clock, before.records
        logged: list[tuple[FlatMetrics, int]] = []
        for offset, payload in frames(data):
            end, records = offset + 8 + len(payload), records + 1
            record = read(payload)
            clock = clock + 1 if isinstance(record, BadRecord) else max(min(record.time, LARGEST_INT), clock + 1)
            if record.__class__ is FlatMetrics:
                logged.append((record, clock))
            elif run is not None:
                place = Place(stream.writer, before.offset + offset, clock)
                self.events.tell(stream, place.offset, record)
                if isinstance(record, RunDeleted):
                    self.delete(stream, run)
                    run = None
                elif (flat := self.apply(run, place, record)) is not None:
                    logged.append((flat, clock))
        if run is not None and records > before.records:
            points = self.add_points(run, stream.writer, logged, clock)
            if points is not None:
                self.events.tell_points(stream, points)
        self.move(stream, Progress(before.offset + end, crc32(data[:end], before.crc), clock, records, before.sealed))

    def apply(self, run: int, place: Place, record: Record | Unknown | BadRecord) -> FlatMetrics | None:
        """Make a record's rows; metrics that were nested come back flat."""
        match record:
            case BadRecord():
                self.reject(place, record.message)
            case Unknown():
                self.db.execute("INSERT INTO unknown VALUES (?, ?, ?)", (place.writer, place.offset, record.kind))
            case Metrics():
                return self.flattened(place, record)
            case RunStarted():
                self.run_started(run, place, record)
            case RunUpdated():
                self.run_updated(run, place, record)
            case RunStatus():
                self.run_status(run, place, record)
            case Alert():
                self.alert(run, place, record)
            case Lost():
                self.db.execute("UPDATE run SET lost = lost + ? WHERE key = ?", (record.n, run))
            case Salvaged():
                self.db.execute("INSERT INTO hole VALUES (?, ?, ?, ?)", (record.writer, record.hole, place.writer, place.offset))
        return None

    def move(self, stream: Stream, progress: Progress) -> None:
        """Keep how far a stream is projected; a stream that has ended is complete when all of it is."""
        complete = stream.sealed and progress.offset == stream.size
        self.db.execute(
            "INSERT INTO writer VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            ' "offset" = excluded."offset", crc = excluded.crc, clock = excluded.clock, records = excluded.records,'
            " sealed = excluded.sealed",
            (stream.writer, stream.project, stream.run, *progress._replace(sealed=complete)),
        )

    # -- runs

    def run_key(self, stream: Stream) -> int | None:
        """The number of the stream's run; None if the run was deleted, or the stream is of no run."""
        if not stream.run or self.is_deleted(stream):
            return None
        key = (stream.project, stream.run)
        self.db.execute(
            "INSERT INTO run (project, id, points, tail_records, lost) VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING",
            key,
        )
        (number,) = one(self.db, "SELECT key FROM run WHERE project = ? AND id = ?", key)
        return int(number)

    def is_deleted(self, stream: Stream) -> bool:
        """Whether the stream's run has a tombstone."""
        found = one(self.db, "SELECT 1 FROM tombstone WHERE project = ? AND run = ?", (stream.project, stream.run))
        return found is not None

    def add_points(self, run: int, writer: str, logged: list[tuple[FlatMetrics, int]], clock: int) -> Points | None:
        """Add a batch's values to the run, and the clock of its latest record; returns the values."""
        points = collect(writer, logged)
        (tail_records,) = one(self.db, "SELECT tail_records FROM run WHERE key = ?", (run,))
        if points is not None:
            tail_records = metrics.append(self.db, run, points, tail_records, self.ids)
        self.db.execute(
            "UPDATE run SET points = points + ?, tail_records = ?, updated = max(coalesce(updated, 0), ?) WHERE key = ?",
            (points.values if points else 0, tail_records, clock, run),
        )
        return points

    def end(self, stream: Stream) -> None:
        """The stream is complete: make blocks of its run's tail, since nothing more is expected soon."""
        run = self.run_key(stream)
        if run is not None:
            metrics.fold(self.db, run, self.ids)
            self.db.execute("UPDATE run SET tail_records = 0 WHERE key = ?", (run,))

    def run_started(self, run: int, place: Place, record: RunStarted) -> None:
        """An attempt begins. Each file of the attempt begins with a copy of this record: the earliest is its beginning."""
        self.db.execute(
            "INSERT INTO run_attempt (run, attempt, clock, writer, environment) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (run, attempt) DO UPDATE SET clock = excluded.clock, writer = excluded.writer,"
            " environment = excluded.environment"
            " WHERE clock IS NULL OR (excluded.clock, excluded.writer) < (clock, writer)",
            (run, record.attempt, place.clock, place.writer, to_json(record.environment)),
        )
        self.db.execute("INSERT INTO attempt_writer VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (run, record.attempt, place.writer))
        self.db.execute("UPDATE run SET created = min(coalesce(created, ?1), ?1) WHERE key = ?2", (place.clock, run))
        self.set_fields(run, place, record, record.config)
        self.set_tags(run, place, added=record.tags, removed=())

    def run_updated(self, run: int, place: Place, record: RunUpdated) -> None:
        """Fields, config keys and tags change."""
        self.set_fields(run, place, record, record.config)
        self.set_tags(run, place, added=record.tags_added, removed=record.tags_removed)

    def set_fields(self, run: int, place: Place, record: RunStarted | RunUpdated, config: dict[str, Any]) -> None:
        """The latest value of each field and of each top-level config key wins."""
        fields = {"name": record.name, "group_name": record.group, "notes": record.notes}
        changed = {field: value for field, value in fields.items() if value is not None}
        changed |= {f"config.{key}": value for key, value in config.items()}
        self.db.executemany(
            "INSERT INTO run_field VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, field) DO UPDATE SET"
            " value = excluded.value, clock = excluded.clock, writer = excluded.writer"
            " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
            ((run, field, to_json(value), place.clock, place.writer) for field, value in changed.items()),
        )
        if changed:
            self.show_fields(run)

    def show_fields(self, run: int) -> None:
        """Put the fields as they stand into the run's row."""
        fields = dict(rows(self.db, "SELECT field, value FROM run_field WHERE run = ? ORDER BY field", (run,)))
        config = {field[7:]: json.loads(value) for field, value in fields.items() if field.startswith("config.")}
        shown = [json.loads(fields[field]) if field in fields else None for field in ("name", "group_name", "notes")]
        self.db.execute(
            "UPDATE run SET name = ?, group_name = ?, notes = ?, config = ? WHERE key = ?",
            (*shown, to_json(config) if config else None, run),
        )

    def set_tags(self, run: int, place: Place, *, added: Iterable[str], removed: Iterable[str]) -> None:
        """Tags are a set; of adding and removing one, the later counts."""
        changed = dict.fromkeys(added, 1) | dict.fromkeys(removed, 0)
        self.db.executemany(
            "INSERT INTO run_tag VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, tag) DO UPDATE SET"
            " present = excluded.present, clock = excluded.clock, writer = excluded.writer"
            " WHERE (excluded.clock, excluded.writer) > (clock, writer)",
            ((run, tag, present, place.clock, place.writer) for tag, present in changed.items()),
        )
        if changed:
            tags = [tag for (tag,) in self.db.execute("SELECT tag FROM run_tag WHERE run = ? AND present ORDER BY tag", (run,))]
            self.db.execute("UPDATE run SET tags = ? WHERE key = ?", (to_json(tags), run))

    def run_status(self, run: int, place: Place, record: RunStatus) -> None:
        """The first final status of an attempt stands."""
        if record.status.is_final:
            self.db.execute(
                "INSERT INTO run_attempt (run, attempt, status, reason, status_clock, status_writer) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (run, attempt) DO UPDATE SET status = excluded.status, reason = excluded.reason,"
                " status_clock = excluded.status_clock, status_writer = excluded.status_writer WHERE status_clock IS NULL"
                " OR (excluded.status_clock, excluded.status_writer) < (status_clock, status_writer)",
                (run, record.attempt, record.status, record.reason, place.clock, place.writer),
            )

    def delete(self, stream: Stream, run: int) -> None:
        """Forget everything of a run but that it was deleted."""
        self.db.execute("INSERT INTO tombstone VALUES (?, ?) ON CONFLICT DO NOTHING", (stream.project, stream.run))
        self.erase(stream, run)

    def forget(self, project: str, run: str) -> None:
        """Make it as if nothing of a run had been projected: what there still is of it will be, from its beginning."""
        key = one(self.db, "SELECT key FROM run WHERE project = ? AND id = ?", (project, run))
        for (writer,) in rows(self.db, "SELECT id FROM writer WHERE project = ? AND run = ?", (project, run)):
            self.erase(Stream(writer, project, run, 0, False), key[0] if key else 0)
        for table, column in (("writer", "run"), ("tombstone", "run"), ("run", "id")):
            self.db.execute(f"DELETE FROM {table} WHERE project = ? AND {column} = ?", (project, run))
        self.events.tell_run(project, run)

    def erase(self, stream: Stream, run: int) -> None:
        """Remove all rows of a run but how far its streams are projected."""
        metrics.remove(self.db, run)
        for table in ("run_field", "run_tag", "run_attempt", "attempt_writer", "alert"):
            self.db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
        of_run = "IN (SELECT ? UNION ALL SELECT id FROM writer WHERE project = ? AND run = ?)"
        for table, column in (("rejected", "writer"), ("unknown", "writer"), ("hole", "saved_as")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} {of_run}", (stream.writer, stream.project, stream.run))
        self.db.execute("DELETE FROM run WHERE key = ?", (run,))

    # -- everything else

    def flattened(self, place: Place, record: Metrics) -> FlatMetrics | None:
        """Nested metrics with their names joined by `/`; what is no number is listed and left out."""
        if not SMALLEST_INT <= record.step <= LARGEST_INT:
            self.reject(place, f"step {record.step} has more than 64 bits")
            return None
        values, odd = flat_numbers(record.values)
        if odd:
            self.reject(place, f"no numbers: {', '.join(odd)}")
        return FlatMetrics(time=record.time, step=record.step, values=values) if values else None

    def alert(self, run: int, place: Place, record: Alert) -> None:
        """Something to look at."""
        self.db.execute(
            "INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run, place.writer, place.offset, place.clock, record.time, record.level, record.title, record.text, record.reason,
                record.metric, record.value, record.step, None if record.data is None else to_json(record.data),
            ),
        )  # fmt: skip

    def reject(self, place: Place, reason: str) -> None:
        """List a record that can't be projected."""
        self.db.execute("INSERT INTO rejected VALUES (?, ?, ?)", (place.writer, place.offset, reason))


def read(payload: bytes) -> Record | Unknown | BadRecord:
    """The record, or what is wrong with it."""
    try:
        return decode(payload)
    except BadRecord as error:
        return error


def to_json(value: Any) -> str:
    """JSON with sorted keys; NaN and infinities are written as Python and JavaScript name them."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def flat_numbers(values: dict[Any, Any], prefix: str = "") -> tuple[dict[str, float], list[str]]:
    """Numbers by joined names, and the names of what is none."""
    flat: dict[str, float] = {}
    odd: list[str] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            inner, inner_odd = flat_numbers(value, f"{name}/")
            flat |= inner
            odd += inner_odd
        elif isinstance(value, (bool, int, float)):
            flat[name] = float(value)
        else:
            odd.append(name)
    return flat, odd
