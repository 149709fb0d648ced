"""One trackio project as a `Source`: each table of each run is a stream that only grows.

A stream's bytes are a function of the rows alone, and its name of its first row. So nothing has to be remembered: whoever reads the
same database makes the same streams, and the receiver's positions say from where on they are wanted.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import DataError
from tasuki.importers.derived_stream import DerivedStream, Spool
from tasuki.importers.sqlite_copy import (
    Fingerprint,
    copy_database,
    is_next_change_visible,
    open_copy,
    read_fingerprint,
    remove_copy,
)
from tasuki.importers.trackio.inbox import InboxFile, InboxLine
from tasuki.importers.trackio.inbox_dedup import SeenIds
from tasuki.importers.trackio.row_mapping import (
    build_alert_frame,
    build_config_frame,
    build_metrics_frame,
    build_started_frame,
    build_status_frame,
    derive_writer_id,
    map_run_id,
    parse_time_us,
)
from tasuki.importers.trackio.tables import (
    ALERTS,
    APPEND_ONLY_TABLES,
    CONFIGS,
    STATUSES,
    SYSTEM_METRICS,
    FirstRow,
    TrackioRow,
    find_first_row,
    find_first_rows,
    find_highest_id,
    has_id,
    is_migrated,
    iter_rows_after,
)
from tasuki.journal import Liveness, Stream
from tasuki.records import Item

__all__ = ["FindKnownWriters", "ProjectSource"]

FindKnownWriters = Callable[[Sequence[Item]], Collection[str]]
"""Asks the receiver which of some streams it has, by writer."""


class ProjectSource:
    """Reads changes, builds streams, and releases delivered bytes. `work`: a folder for private copies."""

    def __init__(self, name: str, work_folder: Path, seen_ids: SeenIds, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self.path: Path | None = None
        self.work_folder = work_folder
        self.seen_ids = seen_ids
        self.clock = clock
        self.new_lines: list[tuple[InboxFile, list[InboxLine]]] = []
        self.claimed_ids: list[str] = []
        self.spools: list[Spool] = []
        self.has_undelivered = False
        """Something was read that has not arrived yet."""
        self.reset()

    def reset(self) -> None:
        """Rebuild all streams at the next refresh: the receiver may need them from the start."""
        self.fingerprint: Fingerprint | None = None
        self.highest_ids: dict[str, int] = {}
        self.first_rows: dict[str, FirstRow] = {}
        self.first_rows_by_run: dict[str, dict[str, FirstRow]] = {}
        self.streams_by_run: dict[tuple[str, str], DerivedStream] = {}
        self.streams_by_writer: dict[str, DerivedStream] = {}
        self.known_writers: Collection[str] = ()
        self.close()

    # -- what has changed

    @property
    def has_changed(self) -> bool:
        """Return whether unread data exists. Raise OSError if that cannot be determined."""
        return bool(self.new_lines) or (self.path is not None and read_fingerprint(self.path) != self.fingerprint)

    def refresh(self, find_known_writers: FindKnownWriters) -> None:
        """Read new data. Raise DataError or OSError, without any change, if that fails."""
        spool = Spool(self.work_folder)
        self.spools.append(spool)
        self.has_undelivered = True
        if self.path is not None and self.path.exists():
            self.read_database(self.path, spool, find_known_writers)
        else:
            self.fingerprint = None if self.path is None else read_fingerprint(self.path)
            self.read_inbox_lines(spool, None)
        for track in self.streams_by_writer.values():
            track.flush(spool)

    def read_database(self, path: Path, spool: Spool, find_known_writers: FindKnownWriters) -> None:
        """Copy the database privately, read what is new, and remove the copy."""
        copy = self.work_folder / path.name
        try:
            state = copy_database(path, copy, clock=self.clock)
            with_it = open_copy(copy, path)
            try:
                self.read_tables(path, with_it, spool, find_known_writers)
                self.read_inbox_lines(spool, with_it)
            except apsw.Error as error:
                raise DataError(f"{path} is damaged: {error}", hint="look at a copy of it: sqlite3 COPY .recover") from error
            finally:
                with_it.close()
        finally:
            remove_copy(copy)
        self.fingerprint = state if is_next_change_visible(state, self.clock) else None

    def read_tables(self, path: Path, db: apsw.Connection, spool: Spool, find_known_writers: FindKnownWriters) -> None:
        """Read the new rows."""
        self.check_continuity(path, db)
        if not self.highest_ids:
            self.first_rows_by_run = {table: find_first_rows(db, table) for table in APPEND_ONLY_TABLES}
            if is_migrated(db):
                self.known_writers = find_known_writers(
                    [
                        self.build_legacy_query(table, first)
                        for table in APPEND_ONLY_TABLES
                        for first in self.first_rows_by_run[table].values()
                    ]
                )
        for table in APPEND_ONLY_TABLES:
            for row in iter_rows_after(db, table, self.highest_ids.get(table, 0)):
                id = row.columns.get("alert_id" if table == ALERTS else "log_id")
                if self.seen_ids.find_file(str(id) if id else None) is not None:
                    self.highest_ids[table] = row.id
                    continue
                track = self.open_row_stream(db, table, row, spool)
                frame = build_row_frame(table, row.columns, track.row_count)
                self.highest_ids[table] = row.id  # whatever fails from here on, the frame is in the stream
                track.add_frame(frame, spool)
        for row in iter_rows_after(db, CONFIGS, self.highest_ids.get(CONFIGS, 0)):
            self.highest_ids[CONFIGS] = row.id
            time = parse_time_us(row.columns.get("created_at"))
            self.add_run_record(self.find_run(row), build_config_frame(row.name, row.columns.get("config"), time), spool)
        for row in iter_rows_after(db, STATUSES, 0):
            run = self.find_run(row)
            self.add_run_record(run, build_status_frame(run, row.columns), spool)

    def check_continuity(self, path: Path, db: apsw.Connection) -> None:
        """Raise DataError for an older copy than the last one. Another database under the name starts over."""
        now = {table: find_highest_id(db, table) for table in (*APPEND_ONLY_TABLES, CONFIGS)}
        back = [table for table, highest in now.items() if highest < self.highest_ids.get(table, 0)]
        first = {table: find_first_row(db, table) for table in APPEND_ONLY_TABLES}
        same = any(was == first[table] for table, was in self.first_rows.items())
        if back and same:
            was = self.highest_ids[back[0]]
            raise DataError(
                f"{path} has gone back: {back[0]} had rows up to {was}, now up to {now[back[0]]}", hint="an older copy?"
            )
        if back:
            self.highest_ids, self.first_rows_by_run = {}, {}
            self.streams_by_run = {key: track for key, track in self.streams_by_run.items() if key[0] not in APPEND_ONLY_TABLES}
        self.first_rows = {table: found for table, found in first.items() if found is not None}

    # -- streams

    def build_legacy_query(self, table: str, first: FirstRow) -> Item:
        """Build the question for a stream named by its run's name, from before the database was migrated."""
        run = map_run_id(first.name)
        writer = derive_writer_id(self.name, run, table, first.id, first.timestamp)
        return Item(project=self.name, run=run, writer=writer, offset=0, crc=0)

    def open_row_stream(self, db: apsw.Connection, table: str, row: TrackioRow, spool: Spool) -> DerivedStream:
        """Return the stream of a row; its id derives from the first row."""
        track = self.streams_by_run.get((table, row.run))
        if track is None:
            first = (
                self.first_rows_by_run.get(table, {}).get(row.run)
                or find_first_row(db, table, row.run)
                or FirstRow(row.id, "", row.name)
            )
            item = self.build_legacy_query(table, first)
            run = item.run if item.writer in self.known_writers or item.writer in self.streams_by_writer else map_run_id(row.run)
            track = self.streams_by_run[table, row.run] = self.open_stream(run, table, first.id, first.timestamp, spool=spool)
            self.add_run_record(run, build_config_frame(row.name, None, parse_time_us(first.timestamp)), spool)
        return track

    def open_stream(self, run: str, *key_parts: object, spool: Spool) -> DerivedStream:
        """Create a stream of logged rows, with the run's start."""
        writer = derive_writer_id(self.name, run, *key_parts)
        track = self.streams_by_writer.get(writer)
        if track is None:
            track = self.streams_by_writer[writer] = DerivedStream(self.name, run, writer)
            track.add_frame(build_started_frame(run, parse_time_us(key_parts[-1])), spool)
            track.row_count = 0
        return track

    def find_run(self, row: TrackioRow) -> str:
        """Return the run of a row that concerns a run as a whole."""
        return next(
            (track.run for table in APPEND_ONLY_TABLES if (track := self.streams_by_run.get((table, row.run)))), map_run_id(row.run)
        )

    def add_run_record(self, run: str, frame: bytes, spool: Spool) -> None:
        """Add a record about a run as a stream of its own, named by its content."""
        writer = derive_writer_id(self.name, run, "fact", frame.hex())
        if frame and writer not in self.streams_by_writer:
            track = self.streams_by_writer[writer] = DerivedStream(self.name, run, writer, sealed=True)
            track.add_frame(frame, spool)

    # -- the inbox

    def read_inbox_lines(self, spool: Spool, db: apsw.Connection | None) -> None:
        """Read the inbox lines that came through nothing else."""
        mine = [(line, fragment) for fragment, lines in self.new_lines for line in lines if self.claim_line(line, fragment, db)]
        self.new_lines = []
        for line, fragment in mine:
            self.add_inbox_line(line, fragment, spool)

    def claim_line(self, line: InboxLine, inbox_file: InboxFile, db: apsw.Connection | None) -> bool:
        """Return whether a line is to be delivered from this file."""
        came_before = self.seen_ids.find_file(line.id)
        if came_before is None and db is not None and line.id is not None and has_id(db, line.table, line.id):
            return False
        if not self.seen_ids.claim(line.id, inbox_file.name):
            return False
        if line.id is not None:
            self.claimed_ids.append(line.id)
        return True

    def add_inbox_line(self, line: InboxLine, inbox_file: InboxFile, spool: Spool) -> None:
        """Add one row of a file: its rows of one kind and run form a stream."""
        run, columns = map_run_id(line.run), line.columns
        time = columns.get("timestamp")
        if line.table == STATUSES:
            self.add_run_record(run, build_status_frame(run, columns), spool)
            return
        track = self.streams_by_run.get((inbox_file.name, f"{line.table} {run}"))
        if track is None:
            track = self.streams_by_run[inbox_file.name, f"{line.table} {run}"] = self.open_stream(
                run, "inbox", inbox_file.name, line.table, time, spool=spool
            )
            self.add_run_record(run, build_config_frame(line.name, None, parse_time_us(time)), spool)
        track.add_frame(build_row_frame(line.table, columns, track.row_count), spool)
        if columns.get("config"):
            self.add_run_record(run, build_config_frame(line.name, columns["config"], parse_time_us(time)), spool)

    # -- a Source

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream but those `known` by writer id."""
        return (track.stream for writer, track in self.streams_by_writer.items() if writer not in exclude)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`. Raise BytesReleased for delivered ones."""
        return self.streams_by_writer[writer].read(offset, limit_bytes)

    def check_liveness(self, _: str) -> Liveness:
        """Return UNKNOWN liveness."""
        return Liveness.UNKNOWN

    def release_delivered(self) -> None:
        """Release all bytes: they were delivered."""
        self.seen_ids.record_delivered(self.claimed_ids)
        self.claimed_ids, self.has_undelivered = [], False
        for track in self.streams_by_writer.values():
            track.release()
        self.close()

    def close(self) -> None:
        """Release the space."""
        for spool in self.spools:
            spool.close()
        self.spools = []


def build_row_frame(table: str, columns: Mapping[str, Any], default_step: int) -> bytes:
    """Build the frame of a logged row."""
    if table == ALERTS:
        return build_alert_frame(columns)
    prefix, step = ("system/", None) if table == SYSTEM_METRICS else ("", columns.get("step"))
    return build_metrics_frame(columns.get("timestamp"), step, columns.get("metrics"), default_step, prefix)
