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

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.errors import InvalidRecord
from tasuki.journal import Stream
from tasuki.records import (
    JOBS_PROJECT,
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
    compute_note_digest,
    extract_content,
    get_note_text,
)
from tasuki.store.apply.batch import MAX_INT64, flatten_numbers, read_batch
from tasuki.store.apply.event_writer import EventWriter
from tasuki.store.apply.jobs import JobProjection
from tasuki.store.apply.runs import (
    RecordPosition,
    apply_run_progress,
    apply_run_started,
    apply_run_status,
    apply_run_text,
    apply_run_updated,
    apply_stop_requested,
    to_json,
)
from tasuki.store.series import tail as metrics
from tasuki.store.series.points import Points, group_points

__all__ = ["Projection"]

MIN_INT64 = -(2**63)


RUN_OPTIONAL_RECORDS = (Note, File, JobRecord)


class ProjectedPosition(NamedTuple):
    """Projected position of a stream."""

    offset: int
    crc: int
    clock: int
    records: int
    is_sealed: bool


INITIAL_POSITION = ProjectedPosition(0, 0, 0, 0, False)
SELECT_POSITIONS = """
SELECT writer.id, "offset", crc, clock, records, sealed FROM json_each(?) asked JOIN writer ON writer.id = asked.value
"""
SELECT_RUNS = """
SELECT project, run.id, run.key, tail_records FROM json_each(?) asked
JOIN run ON project = json_extract(asked.value, '$[0]') AND run.id = json_extract(asked.value, '$[1]')
"""
"""A run that was deleted has no row."""
INSERT_ALERT = """
INSERT INTO alert (clock, writer, "offset", run, time, level, title, text, reason, metric, value, step, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(slots=True)
class RunRowUpdate:
    """Update of a run's row by a transaction: added values, records in the tail, latest clock."""

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
        self.jobs = JobProjection(db, self.events.add_job_event)
        self.positions: dict[str, ProjectedPosition] = {}
        self.dirty_streams: dict[str, Stream] = {}
        self.run_updates: dict[tuple[str, str], RunRowUpdate | None] = {}
        self.alerts: list[tuple[Any, ...]] = []

    def prefetch(self, streams: Sequence[Stream]) -> None:
        """Look up what is kept of many streams and their runs at once."""
        writers = [stream.writer for stream in streams if stream.writer not in self.positions]
        for writer, *row in self.db.execute(SELECT_POSITIONS, (to_json(writers),)):
            self.positions[writer] = ProjectedPosition(*row)
        names = {(stream.project, stream.run) for stream in streams if stream.run} - self.run_updates.keys()
        found = self.db.execute(SELECT_RUNS, (to_json(sorted(names)),))
        self.run_updates |= {(project, run): RunRowUpdate(key, tail_records) for project, run, key, tail_records in found}

    def position(self, writer: str) -> ProjectedPosition:
        """Return the projected position of a stream."""
        if writer not in self.positions:
            row = fetch_one(self.db, 'SELECT "offset", crc, clock, records, sealed FROM writer WHERE id = ?', (writer,))
            self.positions[writer] = ProjectedPosition(*row) if row else INITIAL_POSITION
        return self.positions[writer]

    def add_frames(self, stream: Stream, data: bytes) -> None:
        """Project the whole frames that follow what is projected of the stream, and move its position."""
        before = self.position(stream.writer)
        run = self.find_run_update(stream)
        batch = read_batch(stream.writer, data, before.clock)
        logged: list[tuple[FlatMetrics, int]] = []
        for offset, clock, record in batch.other_records:
            if run is None and stream.run:
                break
            if record.__class__ is FlatMetrics:
                logged.append((record, clock))
                continue
            place = RecordPosition(stream.writer, before.offset + offset, clock)
            self.events.add_record(stream, place.offset, record)
            if isinstance(record, RUN_OPTIONAL_RECORDS):
                self.apply_run_optional_record(stream, place, record)
            elif run is None:
                self.apply_stream_record(place, record)
            elif isinstance(record, RunDeleted):
                self.delete_run(stream, run.key)
                run = None
            elif (flat := self.apply_run_record(run.key, place, record)) is not None:
                logged.append((flat, clock))
        if run is not None and batch.records:
            self.add_points(stream, run, [*batch.points, *group_points(stream.writer, logged)], batch.clock)
        end = Position(before.offset + len(data), crc32(data, before.crc))
        self.set_position(stream, ProjectedPosition(*end, batch.clock, before.records + batch.records, before.is_sealed))

    def apply_run_optional_record(self, stream: Stream, position: RecordPosition, record: Note | File | JobRecord) -> None:
        """Make the rows of a record that may be in a run, or in none."""
        match record:
            case Note():
                self.add_note(stream, position, record)
            case File():
                self.add_file(stream, position, record)
            case _:
                self.add_job_record(stream, position, record)

    def apply_run_record(
        self, run: int, position: RecordPosition, record: Record | UnknownRecord | InvalidRecord
    ) -> FlatMetrics | None:
        """Make a record's rows; metrics that were nested come back flat."""
        match record:
            case Metrics():
                return self.flatten_metrics(position, record)
            case RunStarted():
                apply_run_started(self.db, run, position, record)
            case RunUpdated():
                apply_run_updated(self.db, run, position, record)
            case RunStatus():
                apply_run_status(self.db, run, position, record)
            case StopRequested():
                apply_stop_requested(self.db, run, position, record)
            case RunText():
                apply_run_text(self.db, run, position, record)
            case RunProgress():
                apply_run_progress(self.db, run, position, record)
            case Alert():
                self.add_alert(run, position, record)
            case LostCalls():
                self.db.execute("UPDATE run SET lost = lost + ? WHERE key = ?", (record.n, run))
            case _:
                self.apply_stream_record(position, record)
        return None

    def apply_stream_record(self, position: RecordPosition, record: Record | UnknownRecord | InvalidRecord) -> None:
        """Make the rows of a record that is about its stream, whether that is of a run or not."""
        match record:
            case InvalidRecord():
                self.reject_record(position, record.message)
            case UnknownRecord():
                self.db.execute("INSERT INTO unknown VALUES (?, ?, ?)", (position.writer, position.offset, record.kind))
            case SalvagedStream():
                self.db.execute(
                    "INSERT INTO hole VALUES (?, ?, ?, ?)", (record.writer, record.hole, position.writer, position.offset)
                )

    def set_position(self, stream: Stream, position: ProjectedPosition) -> None:
        """Keep how far a stream is projected; a stream that has ended is complete when all of it is."""
        complete = stream.is_sealed and position.offset == stream.size
        self.positions[stream.writer] = position._replace(is_sealed=complete)
        self.dirty_streams[stream.writer] = stream

    def write(self) -> None:
        """Put into the tables what was kept until now: once a transaction, or before other rows need it."""
        self.db.executemany(
            "INSERT INTO writer VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            ' "offset" = excluded."offset", crc = excluded.crc, clock = excluded.clock, records = excluded.records,'
            " sealed = excluded.sealed",
            [(stream.writer, stream.project, stream.run, *self.positions[writer]) for writer, stream in self.dirty_streams.items()],
        )
        self.db.executemany(
            "UPDATE run SET points = points + ?, tail_records = ?, updated = max(coalesce(updated, 0), ?) WHERE key = ?",
            [(run.points, run.tail_records, run.clock, run.key) for run in self.run_updates.values() if run is not None],
        )
        self.db.executemany(INSERT_ALERT, sorted(self.alerts, key=itemgetter(0, 1, 2)))
        self.tail.write()
        self.jobs.write()
        self.events.write(self.db)
        self.alerts.clear()
        self.dirty_streams.clear()
        self.run_updates.clear()

    # -- runs

    def find_run_update(self, stream: Stream) -> "RunRowUpdate | None":
        """The stream's run; None if the run was deleted, or the stream is of no run."""
        name = (stream.project, stream.run)
        if name not in self.run_updates:
            self.run_updates[name] = self.load_or_create_run(name) if stream.run else None
        return self.run_updates[name]

    def load_or_create_run(self, name: tuple[str, str]) -> "RunRowUpdate | None":
        """A run's row, which is made if it is not there; None if the run was deleted."""
        if fetch_one(self.db, "SELECT 1 FROM tombstone WHERE project = ? AND run = ?", name):
            return None
        found = "SELECT key, tail_records FROM run WHERE project = ? AND id = ?"
        row = fetch_one(self.db, found, name)
        if row is None:
            self.db.execute("INSERT INTO run (project, id, points, tail_records, lost) VALUES (?, ?, 0, 0, 0)", name)
            row = (self.db.last_insert_rowid(), 0)
        return RunRowUpdate(*row)

    def add_points(self, stream: Stream, run: "RunRowUpdate", parts: list[Points], clock: int) -> None:
        """Add a batch's values to the run, and the clock of its latest record."""
        run.clock = max(run.clock, clock)
        if parts:
            points = Points.merge(parts)
            run.points += points.value_count
            run.tail_records = self.tail.append(run.key, points, run.tail_records)
            self.events.add_points_event(stream, points)

    def complete_stream(self, stream: Stream) -> None:
        """The stream is complete: nothing more is expected of its run soon."""
        run = self.find_run_update(stream)
        if run is not None:
            self.tail.settle_run(run.key)
            run.tail_records = 0

    def delete_run(self, stream: Stream, run: int) -> None:
        """Forget everything of a run but that it was deleted."""
        self.write()
        self.db.execute("INSERT INTO tombstone VALUES (?, ?) ON CONFLICT DO NOTHING", (stream.project, stream.run))
        self.erase_run(stream, run)

    def forget_run(self, project: str, run: str) -> None:
        """Reset a run as if nothing had been projected; its remaining streams are projected from their start."""
        key = fetch_one(self.db, "SELECT key FROM run WHERE project = ? AND id = ?", (project, run))
        writers = [
            writer for (writer,) in fetch_all(self.db, "SELECT id FROM writer WHERE project = ? AND run = ?", (project, run))
        ]
        for writer in writers:
            self.jobs.forget_stream(writer)
        if writers:
            self.erase_run(Stream(writers[0], project, run, 0, False), key[0] if key else 0)
        for table, column in (("writer", "run"), ("tombstone", "run"), ("run", "id")):
            self.db.execute(f"DELETE FROM {table} WHERE project = ? AND {column} = ?", (project, run))
        self.events.add_run_event(project, run)
        self.write()

    def erase_run(self, stream: Stream, run: int) -> None:
        """Remove all rows of a run but how far its streams are projected."""
        metrics.remove_metrics(self.db, run)
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
        self.jobs.forget_stream(stream.writer)
        self.db.execute("DELETE FROM run WHERE key = ?", (run,))

    # -- everything else

    def flatten_metrics(self, position: RecordPosition, record: Metrics) -> FlatMetrics | None:
        """Nested metrics with their names joined by `/`; what is no number is listed and left out."""
        if not MIN_INT64 <= record.step <= MAX_INT64:
            self.reject_record(position, f"step {record.step} has more than 64 bits")
            return None
        values, odd = flatten_numbers(record.values)
        if odd:
            self.reject_record(position, f"no numbers: {', '.join(odd)}")
        return FlatMetrics(time=record.time, step=record.step, values=values) if values else None

    def add_alert(self, run: int, position: RecordPosition, record: Alert) -> None:
        """Apply an alert; alerts of one transaction arrive by time.

        NaN is stored as text, since SQLite makes it NULL.
        """
        value = "nan" if record.value is not None and math.isnan(record.value) else record.value
        self.alerts.append(
            (
                position.clock, position.writer, position.offset, run, record.time, record.level, record.title, record.text,
                record.reason, record.metric, value, record.step, None if record.data is None else to_json(record.data),
            )
        )  # fmt: skip

    def add_note(self, stream: Stream, position: RecordPosition, record: Note) -> None:
        """A correction, a lesson, an event: each is kept; which one of an id stands is for those who ask."""
        try:
            content, digest = to_json(extract_content(record)), compute_note_digest(record)
        except TypeError as error:  # keys that JSON has no form for: no client of ours writes such
            self.reject_record(position, f"a note that is no JSON: {error}")
            return
        self.db.execute(
            "INSERT INTO note VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stream.project, record.event_id, position.clock, position.writer, position.offset, digest, stream.run,
                record.__struct_config__.tag, record.time, record.session, getattr(record, "category", None), get_note_text(record),
                content,
            ),
        )  # fmt: skip

    def add_job_record(self, stream: Stream, position: RecordPosition, record: JobRecord) -> None:
        """Something of a job: only the journals of jobs tell of them."""
        if (stream.project, stream.run) != (JOBS_PROJECT, ""):
            self.reject_record(position, "a record of a job outside of their journals")
            return
        try:
            self.jobs.add_record(position, record)
        except TypeError as error:  # keys that JSON has no form for
            self.reject_record(position, f"a job that is no JSON: {error}")

    def add_file(self, stream: Stream, position: RecordPosition, record: File) -> None:
        """Apply a record of a file; queries merge a file's records."""
        self.db.execute(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stream.project, stream.run, position.clock, position.writer, position.offset, record.time, record.path, record.key,
                record.step, record.form, record.caption, record.sha256, record.size, record.media_type, record.content,
            ),
        )  # fmt: skip

    def reject_record(self, position: RecordPosition, reason: str) -> None:
        """List a record that can't be projected."""
        self.db.execute("INSERT INTO rejected VALUES (?, ?, ?)", (position.writer, position.offset, reason))
