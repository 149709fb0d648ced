"""The projector: turns streams of frames into rows.

It may be run by anyone, at any time, in any number of processes: each transaction re-reads a stream's position inside BEGIN
IMMEDIATE and moves it together with the rows, so nothing is projected twice. The rows do not depend on how streams were cut or
interleaved: every rule is a maximum, a minimum, a sum or a set over (step, clock, writer).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import apsw
from zlib_ng.zlib_ng import crc32

from tasuki.database.sqlite import one, rows
from tasuki.errors import InvalidRecord
from tasuki.journal import Stream
from tasuki.records import (
    JOBS,
    Alert,
    File,
    FlatMetrics,
    JobRecord,
    LostCalls,
    Metrics,
    Note,
    Position,
    Record,
    RunDeleted,
    RunProgress,
    RunStarted,
    RunStatus,
    RunText,
    RunUpdated,
    SalvagedStream,
    StopRequested,
    UnknownRecord,
    content_of,
    digest_of,
    text_of_note,
)
from tasuki.store.apply.batch import LARGEST_INT, flat_numbers, read_batch
from tasuki.store.apply.event_writer import EventWriter
from tasuki.store.apply.jobs import JobProjection
from tasuki.store.apply.runs import RecordPosition, run_progress, run_started, run_status, run_stop, run_text, run_updated, to_json
from tasuki.store.series import tail as metrics
from tasuki.store.series.points import Points, collect

__all__ = ["Projection"]

SMALLEST_INT = -(2**63)


ANYWHERE = (Note, File, JobRecord)


class ProjectedPosition(NamedTuple):
    """How far a stream is projected."""

    offset: int
    crc: int
    clock: int
    records: int
    sealed: bool


NOT_BEGUN = ProjectedPosition(0, 0, 0, 0, False)
PLACES = """
SELECT writer.id, "offset", crc, clock, records, sealed FROM json_each(?) asked JOIN writer ON writer.id = asked.value
"""
RUNS = """
SELECT project, run.id, run.key, tail_records FROM json_each(?) asked
JOIN run ON project = json_extract(asked.value, '$[0]') AND run.id = json_extract(asked.value, '$[1]')
"""
"""A run that was deleted has no row."""
ADD_ALERT = """
INSERT INTO alert (clock, writer, "offset", run, time, level, title, text, reason, metric, value, step, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(slots=True)
class RunRowUpdate:
    """What a transaction does to a run's row: values more, records in the tail, the latest clock."""

    key: int
    tail_records: int
    points: int = 0
    clock: int = 0


class Projection:
    """One transaction's worth of projecting, on a connection that is inside BEGIN IMMEDIATE."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.tail = metrics.Tail(db)
        self.events = EventWriter()
        self.jobs = JobProjection(db, self.events.tell_job)
        self.places: dict[str, ProjectedPosition] = {}
        self.moved: dict[str, Stream] = {}
        self.runs: dict[tuple[str, str], RunRowUpdate | None] = {}
        self.alerts: list[tuple[Any, ...]] = []

    def expect(self, streams: Sequence[Stream]) -> None:
        """Look up what is kept of many streams and their runs at once."""
        writers = [stream.writer for stream in streams if stream.writer not in self.places]
        for writer, *row in self.db.execute(PLACES, (to_json(writers),)):
            self.places[writer] = ProjectedPosition(*row)
        names = {(stream.project, stream.run) for stream in streams if stream.run} - self.runs.keys()
        found = self.db.execute(RUNS, (to_json(sorted(names)),))
        self.runs |= {(project, run): RunRowUpdate(key, tail_records) for project, run, key, tail_records in found}

    def progress(self, writer: str) -> ProjectedPosition:
        """How far a stream is projected."""
        if writer not in self.places:
            row = one(self.db, 'SELECT "offset", crc, clock, records, sealed FROM writer WHERE id = ?', (writer,))
            self.places[writer] = ProjectedPosition(*row) if row else NOT_BEGUN
        return self.places[writer]

    def add(self, stream: Stream, data: bytes) -> None:
        """Project the whole frames that follow what is projected of the stream, and move its position."""
        before = self.progress(stream.writer)
        run = self.run_state(stream)
        batch = read_batch(stream.writer, data, before.clock)
        logged: list[tuple[FlatMetrics, int]] = []
        for offset, clock, record in batch.others:
            if run is None and stream.run:
                break
            if record.__class__ is FlatMetrics:
                logged.append((record, clock))
                continue
            place = RecordPosition(stream.writer, before.offset + offset, clock)
            self.events.tell(stream, place.offset, record)
            if isinstance(record, ANYWHERE):
                self.apply_anywhere(stream, place, record)
            elif run is None:
                self.apply_outside(place, record)
            elif isinstance(record, RunDeleted):
                self.delete(stream, run.key)
                run = None
            elif (flat := self.apply(run.key, place, record)) is not None:
                logged.append((flat, clock))
        if run is not None and batch.records:
            self.add_points(stream, run, [*batch.points, *collect(stream.writer, logged)], batch.clock)
        end = Position(before.offset + len(data), crc32(data, before.crc))
        self.move(stream, ProjectedPosition(*end, batch.clock, before.records + batch.records, before.sealed))

    def apply_anywhere(self, stream: Stream, place: RecordPosition, record: Note | File | JobRecord) -> None:
        """Make the rows of a record that may be in a run, or in none."""
        match record:
            case Note():
                self.note(stream, place, record)
            case File():
                self.file(stream, place, record)
            case _:
                self.job(stream, place, record)

    def apply(self, run: int, place: RecordPosition, record: Record | UnknownRecord | InvalidRecord) -> FlatMetrics | None:
        """Make a record's rows; metrics that were nested come back flat."""
        match record:
            case Metrics():
                return self.flattened(place, record)
            case RunStarted():
                run_started(self.db, run, place, record)
            case RunUpdated():
                run_updated(self.db, run, place, record)
            case RunStatus():
                run_status(self.db, run, place, record)
            case StopRequested():
                run_stop(self.db, run, place, record)
            case RunText():
                run_text(self.db, run, place, record)
            case RunProgress():
                run_progress(self.db, run, place, record)
            case Alert():
                self.alert(run, place, record)
            case LostCalls():
                self.db.execute("UPDATE run SET lost = lost + ? WHERE key = ?", (record.n, run))
            case _:
                self.apply_outside(place, record)
        return None

    def apply_outside(self, place: RecordPosition, record: Record | UnknownRecord | InvalidRecord) -> None:
        """Make the rows of a record that is about its stream, whether that is of a run or not."""
        match record:
            case InvalidRecord():
                self.reject(place, record.message)
            case UnknownRecord():
                self.db.execute("INSERT INTO unknown VALUES (?, ?, ?)", (place.writer, place.offset, record.kind))
            case SalvagedStream():
                self.db.execute("INSERT INTO hole VALUES (?, ?, ?, ?)", (record.writer, record.hole, place.writer, place.offset))

    def move(self, stream: Stream, progress: ProjectedPosition) -> None:
        """Keep how far a stream is projected; a stream that has ended is complete when all of it is."""
        complete = stream.sealed and progress.offset == stream.size
        self.places[stream.writer] = progress._replace(sealed=complete)
        self.moved[stream.writer] = stream

    def write(self) -> None:
        """Put into the tables what was kept until now: once a transaction, or before other rows need it."""
        self.db.executemany(
            "INSERT INTO writer VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            ' "offset" = excluded."offset", crc = excluded.crc, clock = excluded.clock, records = excluded.records,'
            " sealed = excluded.sealed",
            [(stream.writer, stream.project, stream.run, *self.places[writer]) for writer, stream in self.moved.items()],
        )
        self.db.executemany(
            "UPDATE run SET points = points + ?, tail_records = ?, updated = max(coalesce(updated, 0), ?) WHERE key = ?",
            [(run.points, run.tail_records, run.clock, run.key) for run in self.runs.values() if run is not None],
        )
        self.db.executemany(ADD_ALERT, sorted(self.alerts, key=itemgetter(0, 1, 2)))
        self.tail.write()
        self.jobs.write()
        self.events.write(self.db)
        self.alerts.clear()
        self.moved.clear()
        self.runs.clear()

    # -- runs

    def run_state(self, stream: Stream) -> "RunRowUpdate | None":
        """The stream's run; None if the run was deleted, or the stream is of no run."""
        name = (stream.project, stream.run)
        if name not in self.runs:
            self.runs[name] = self.read_run(name) if stream.run else None
        return self.runs[name]

    def read_run(self, name: tuple[str, str]) -> "RunRowUpdate | None":
        """A run's row, which is made if it is not there; None if the run was deleted."""
        if one(self.db, "SELECT 1 FROM tombstone WHERE project = ? AND run = ?", name):
            return None
        found = "SELECT key, tail_records FROM run WHERE project = ? AND id = ?"
        row = one(self.db, found, name)
        if row is None:
            self.db.execute("INSERT INTO run (project, id, points, tail_records, lost) VALUES (?, ?, 0, 0, 0)", name)
            row = (self.db.last_insert_rowid(), 0)
        return RunRowUpdate(*row)

    def add_points(self, stream: Stream, run: "RunRowUpdate", parts: list[Points], clock: int) -> None:
        """Add a batch's values to the run, and the clock of its latest record."""
        run.clock = max(run.clock, clock)
        if parts:
            points = Points.merge(parts)
            run.points += points.values
            run.tail_records = self.tail.append(run.key, points, run.tail_records)
            self.events.tell_points(stream, points)

    def end(self, stream: Stream) -> None:
        """The stream is complete: nothing more is expected of its run soon."""
        run = self.run_state(stream)
        if run is not None:
            self.tail.settle(run.key)
            run.tail_records = 0

    def delete(self, stream: Stream, run: int) -> None:
        """Forget everything of a run but that it was deleted."""
        self.write()
        self.db.execute("INSERT INTO tombstone VALUES (?, ?) ON CONFLICT DO NOTHING", (stream.project, stream.run))
        self.erase(stream, run)

    def forget(self, project: str, run: str) -> None:
        """Make it as if nothing of a run had been projected: what there still is of it will be, from its beginning."""
        key = one(self.db, "SELECT key FROM run WHERE project = ? AND id = ?", (project, run))
        writers = [writer for (writer,) in rows(self.db, "SELECT id FROM writer WHERE project = ? AND run = ?", (project, run))]
        for writer in writers:
            self.jobs.forget(writer)
        if writers:
            self.erase(Stream(writers[0], project, run, 0, False), key[0] if key else 0)
        for table, column in (("writer", "run"), ("tombstone", "run"), ("run", "id")):
            self.db.execute(f"DELETE FROM {table} WHERE project = ? AND {column} = ?", (project, run))
        self.events.tell_run(project, run)
        self.write()

    def erase(self, stream: Stream, run: int) -> None:
        """Remove all rows of a run but how far its streams are projected."""
        metrics.remove(self.db, run)
        for table in (
            "run_field",
            "run_tag",
            "run_attempt",
            "attempt_writer",
            "run_stop",
            "run_progress",
            "run_text",
            "alert",
            "run_job",
        ):
            self.db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
        of_run = "IN (SELECT ? UNION ALL SELECT id FROM writer WHERE project = ? AND run = ?)"
        tables = [(table, "writer") for table in ("rejected", "unknown", "note", "file")]
        for table, column in (*tables, ("hole", "saved_as")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} {of_run}", (stream.writer, stream.project, stream.run))
        self.jobs.forget(stream.writer)
        self.db.execute("DELETE FROM run WHERE key = ?", (run,))

    # -- everything else

    def flattened(self, place: RecordPosition, record: Metrics) -> FlatMetrics | None:
        """Nested metrics with their names joined by `/`; what is no number is listed and left out."""
        if not SMALLEST_INT <= record.step <= LARGEST_INT:
            self.reject(place, f"step {record.step} has more than 64 bits")
            return None
        values, odd = flat_numbers(record.values)
        if odd:
            self.reject(place, f"no numbers: {', '.join(odd)}")
        return FlatMetrics(time=record.time, step=record.step, values=values) if values else None

    def alert(self, run: int, place: RecordPosition, record: Alert) -> None:
        """Something to look at; those of one transaction arrive by time. SQLite would make NULL of NaN, which is not the same."""
        value = "nan" if record.value is not None and math.isnan(record.value) else record.value
        self.alerts.append(
            (
                place.clock, place.writer, place.offset, run, record.time, record.level, record.title, record.text, record.reason,
                record.metric, value, record.step, None if record.data is None else to_json(record.data),
            )
        )  # fmt: skip

    def note(self, stream: Stream, place: RecordPosition, record: Note) -> None:
        """A correction, a lesson, an event: each is kept; which one of an id stands is for those who ask."""
        try:
            content, digest = to_json(content_of(record)), digest_of(record)
        except TypeError as error:  # keys that JSON has no form for: no client of ours writes such
            self.reject(place, f"a note that is no JSON: {error}")
            return
        self.db.execute(
            "INSERT INTO note VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stream.project, record.event_id, place.clock, place.writer, place.offset, digest, stream.run,
                record.__struct_config__.tag, record.time, record.session, getattr(record, "category", None), text_of_note(record),
                content,
            ),
        )  # fmt: skip

    def job(self, stream: Stream, place: RecordPosition, record: JobRecord) -> None:
        """Something of a job: only the journals of jobs tell of them."""
        if (stream.project, stream.run) != (JOBS, ""):
            self.reject(place, "a record of a job outside of their journals")
            return
        try:
            self.jobs.add(place, record)
        except TypeError as error:  # keys that JSON has no form for
            self.reject(place, f"a job that is no JSON: {error}")

    def file(self, stream: Stream, place: RecordPosition, record: File) -> None:
        """What a record says of a file: what all of them say together is for those who ask."""
        self.db.execute(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stream.project, stream.run, place.clock, place.writer, place.offset, record.time, record.path, record.key,
                record.step, record.form, record.caption, record.sha256, record.size, record.media_type, record.content,
            ),
        )  # fmt: skip

    def reject(self, place: RecordPosition, reason: str) -> None:
        """List a record that can't be projected."""
        self.db.execute("INSERT INTO rejected VALUES (?, ?, ?)", (place.writer, place.offset, reason))
