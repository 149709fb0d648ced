"""One trackio project as a `Source`: each table of each run is a stream that only grows.

A stream's bytes are a function of the rows alone, and its name of its first row. So nothing has to be remembered: whoever reads the
same database makes the same streams, and the receiver's positions say from where on they are wanted.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import DataError
from tasuki.importers.derived_stream import DerivedStream, Spool
from tasuki.importers.sqlite_copy import Fingerprint, fingerprint, open_copy, remove, shows_changes, take_copy
from tasuki.importers.trackio.inbox import InboxFile, InboxLine
from tasuki.importers.trackio.inbox_dedup import SeenIds
from tasuki.importers.trackio.row_mapping import (
    alert_frame,
    config_frame,
    metrics_frame,
    run_of,
    started_frame,
    status_frame,
    time_of,
    writer_of,
)
from tasuki.importers.trackio.tables import (
    ALERTS,
    CONFIGS,
    LOGGED,
    STATUSES,
    SYSTEM_METRICS,
    FirstRow,
    TrackioRow,
    first_of,
    firsts_of,
    has_id,
    high_water,
    is_migrated,
    rows_after,
)
from tasuki.journal import Liveness, Stream
from tasuki.records import Item

__all__ = ["Known", "ProjectSource"]

Known = Callable[[Sequence[Item]], Collection[str]]
"""Asks the receiver which of some streams it has, by writer."""


class ProjectSource:
    """Reads changes, builds streams, and releases delivered bytes. `work`: a folder for private copies."""

    def __init__(self, name: str, work: Path, delivered: SeenIds, *, clock: Clock = SYSTEM) -> None:
        self.name = name
        self.path: Path | None = None
        self.work = work
        self.delivered = delivered
        self.clock = clock
        self.new_lines: list[tuple[InboxFile, list[InboxLine]]] = []
        self.claimed: list[str] = []
        self.spools: list[Spool] = []
        self.owes = False
        """Something was read that has not arrived yet."""
        self.forget()

    def forget(self) -> None:
        """Rebuild all streams at the next refresh: the receiver may need them from the start."""
        self.state: Fingerprint | None = None
        self.high: dict[str, int] = {}
        self.first: dict[str, FirstRow] = {}
        self.firsts: dict[str, dict[str, FirstRow]] = {}
        self.by_run: dict[tuple[str, str], DerivedStream] = {}
        self.tracks: dict[str, DerivedStream] = {}
        self.there: Collection[str] = ()
        self.close()

    # -- what has changed

    @property
    def has_changed(self) -> bool:
        """Return whether unread data exists. Raise OSError if that cannot be determined."""
        return bool(self.new_lines) or (self.path is not None and fingerprint(self.path) != self.state)

    def refresh(self, known: Known) -> None:
        """Read new data. Raise DataError or OSError, without any change, if that fails."""
        spool = Spool(self.work)
        self.spools.append(spool)
        self.owes = True
        if self.path is not None and self.path.exists():
            self.read_database(self.path, spool, known)
        else:
            self.state = None if self.path is None else fingerprint(self.path)
            self.read_lines(spool, None)
        for track in self.tracks.values():
            track.flush(spool)

    def read_database(self, path: Path, spool: Spool, known: Known) -> None:
        """Copy the database privately, read what is new, and remove the copy."""
        copy = self.work / path.name
        try:
            state = take_copy(path, copy, clock=self.clock)
            with_it = open_copy(copy, path)
            try:
                self.read_tables(path, with_it, spool, known)
                self.read_lines(spool, with_it)
            except apsw.Error as error:
                raise DataError(f"{path} is damaged: {error}", hint="look at a copy of it: sqlite3 COPY .recover") from error
            finally:
                with_it.close()
        finally:
            remove(copy)
        self.state = state if shows_changes(state, self.clock) else None

    def read_tables(self, path: Path, db: apsw.Connection, spool: Spool, known: Known) -> None:
        """Read the new rows."""
        self.check_that_it_goes_on(path, db)
        if not self.high:
            self.firsts = {table: firsts_of(db, table) for table in LOGGED}
            if is_migrated(db):
                self.there = known([self.by_name(table, first) for table in LOGGED for first in self.firsts[table].values()])
        for table in LOGGED:
            for row in rows_after(db, table, self.high.get(table, 0)):
                id = row.columns.get("alert_id" if table == ALERTS else "log_id")
                if self.delivered.by(str(id) if id else None) is not None:
                    self.high[table] = row.id
                    continue
                track = self.track_of(db, table, row, spool)
                frame = frame_of(table, row.columns, track.rows)
                self.high[table] = row.id  # whatever fails from here on, the frame is in the stream
                track.add(frame, spool)
        for row in rows_after(db, CONFIGS, self.high.get(CONFIGS, 0)):
            self.high[CONFIGS] = row.id
            time = time_of(row.columns.get("created_at"))
            self.add_fact(self.run_known(row), config_frame(row.name, row.columns.get("config"), time), spool)
        for row in rows_after(db, STATUSES, 0):
            run = self.run_known(row)
            self.add_fact(run, status_frame(run, row.columns), spool)

    def check_that_it_goes_on(self, path: Path, db: apsw.Connection) -> None:
        """Raise DataError for an older copy than the last one. Another database under the name starts over."""
        now = {table: high_water(db, table) for table in (*LOGGED, CONFIGS)}
        back = [table for table, highest in now.items() if highest < self.high.get(table, 0)]
        first = {table: first_of(db, table) for table in LOGGED}
        same = any(was == first[table] for table, was in self.first.items())
        if back and same:
            was = self.high[back[0]]
            raise DataError(
                f"{path} has gone back: {back[0]} had rows up to {was}, now up to {now[back[0]]}", hint="an older copy?"
            )
        if back:
            self.high, self.firsts = {}, {}
            self.by_run = {key: track for key, track in self.by_run.items() if key[0] not in LOGGED}
        self.first = {table: found for table, found in first.items() if found is not None}

    # -- streams

    def by_name(self, table: str, first: FirstRow) -> Item:
        """Build the question for a stream named by its run's name, from before the database was migrated."""
        run = run_of(first.name)
        writer = writer_of(self.name, run, table, first.id, first.timestamp)
        return Item(project=self.name, run=run, writer=writer, offset=0, crc=0)

    def track_of(self, db: apsw.Connection, table: str, row: TrackioRow, spool: Spool) -> DerivedStream:
        """Return the stream of a row; its id derives from the first row."""
        track = self.by_run.get((table, row.run))
        if track is None:
            first = self.firsts.get(table, {}).get(row.run) or first_of(db, table, row.run) or FirstRow(row.id, "", row.name)
            item = self.by_name(table, first)
            run = item.run if item.writer in self.there or item.writer in self.tracks else run_of(row.run)
            track = self.by_run[table, row.run] = self.opened(run, table, first.id, first.timestamp, spool=spool)
            self.add_fact(run, config_frame(row.name, None, time_of(first.timestamp)), spool)
        return track

    def opened(self, run: str, *words: object, spool: Spool) -> DerivedStream:
        """Create a stream of logged rows, with the run's start."""
        writer = writer_of(self.name, run, *words)
        track = self.tracks.get(writer)
        if track is None:
            track = self.tracks[writer] = DerivedStream(self.name, run, writer)
            track.add(started_frame(run, time_of(words[-1])), spool)
            track.rows = 0
        return track

    def run_known(self, row: TrackioRow) -> str:
        """Return the run of a row that concerns a run as a whole."""
        return next((track.run for table in LOGGED if (track := self.by_run.get((table, row.run)))), run_of(row.run))

    def add_fact(self, run: str, frame: bytes, spool: Spool) -> None:
        """Add a record about a run as a stream of its own, named by its content."""
        writer = writer_of(self.name, run, "fact", frame.hex())
        if frame and writer not in self.tracks:
            track = self.tracks[writer] = DerivedStream(self.name, run, writer, sealed=True)
            track.add(frame, spool)

    # -- the inbox

    def read_lines(self, spool: Spool, db: apsw.Connection | None) -> None:
        """Read the inbox lines that came through nothing else."""
        mine = [(line, fragment) for fragment, lines in self.new_lines for line in lines if self.is_mine(line, fragment, db)]
        self.new_lines = []
        for line, fragment in mine:
            self.add_line(line, fragment, spool)

    def is_mine(self, line: InboxLine, fragment: InboxFile, db: apsw.Connection | None) -> bool:
        """Return whether a line is to be delivered from this file."""
        came_before = self.delivered.by(line.id)
        if came_before is None and db is not None and line.id is not None and has_id(db, line.table, line.id):
            return False
        if not self.delivered.claim(line.id, fragment.name):
            return False
        if line.id is not None:
            self.claimed.append(line.id)
        return True

    def add_line(self, line: InboxLine, fragment: InboxFile, spool: Spool) -> None:
        """Add one row of a file: its rows of one kind and run form a stream."""
        run, columns = run_of(line.run), line.columns
        time = columns.get("timestamp")
        if line.table == STATUSES:
            self.add_fact(run, status_frame(run, columns), spool)
            return
        track = self.by_run.get((fragment.name, f"{line.table} {run}"))
        if track is None:
            track = self.by_run[fragment.name, f"{line.table} {run}"] = self.opened(
                run, "inbox", fragment.name, line.table, time, spool=spool
            )
            self.add_fact(run, config_frame(line.name, None, time_of(time)), spool)
        track.add(frame_of(line.table, columns, track.rows), spool)
        if columns.get("config"):
            self.add_fact(run, config_frame(line.name, columns["config"], time_of(time)), spool)

    # -- a Source

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream but those `known` by writer id."""
        return (track.stream for writer, track in self.tracks.items() if writer not in known)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`. Raise BytesReleased for delivered ones."""
        return self.tracks[writer].read(offset, limit_bytes)

    def verdict(self, _: str) -> Liveness:
        """Return UNKNOWN liveness."""
        return Liveness.UNKNOWN

    def settle(self) -> None:
        """Release all bytes: they were delivered."""
        self.delivered.keep(self.claimed)
        self.claimed, self.owes = [], False
        for track in self.tracks.values():
            track.let_go()
        self.close()

    def close(self) -> None:
        """Release the space."""
        for spool in self.spools:
            spool.close()
        self.spools = []


def frame_of(table: str, columns: Mapping[str, Any], place: int) -> bytes:
    """Build the frame of a logged row."""
    if table == ALERTS:
        return alert_frame(columns)
    prefix, step = ("system/", None) if table == SYSTEM_METRICS else ("", columns.get("step"))
    return metrics_frame(columns.get("timestamp"), step, columns.get("metrics"), place, prefix)
