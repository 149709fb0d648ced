"""The store of a data folder: a `Query` that first brings the projection to where the journals are."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import apsw
import apsw.ext

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.database.sqlite import fetch_all, write_transaction
from tasuki.errors import ConfigError, Conflict, StoreCorrupt
from tasuki.journal import JournalFolder, Liveness, Source, append_edit, write_stop_file
from tasuki.records import (
    AlertLevel,
    AlertRow,
    FileRow,
    HistoryRow,
    MetricSummary,
    NoteKind,
    NoteRow,
    ProjectOverview,
    ProjectRow,
    RunEdit,
    RunRow,
    StopCommand,
    StopRequested,
    StopRow,
    TextRow,
)
from tasuki.settings import Settings
from tasuki.store.catch_up import CatchUpResult, catch_up
from tasuki.store.database_location import locate_database_folder
from tasuki.store.edit_records import EditBuilder, build_deletion, build_update, compute_edit_time
from tasuki.store.folder_status import FolderStatus, read_folder_status
from tasuki.store.generations import LOCK_SECONDS, Generations, connect_projection
from tasuki.store.projection import Projection
from tasuki.store.queries.attempts import AttemptOutcome, AttemptStart
from tasuki.store.queries.queries import Queries
from tasuki.store.queries.statements import RENUMBER_ALERTS, SILENT_AFTER_US, BestRuns
from tasuki.store.raw_store import RAW_FILE, RawStore
from tasuki.store.series.points import Series
from tasuki.store.union_source import open_source
from tasuki.store.verify import VerifyReport, verify

__all__ = ["CatchUpFunction", "LocalStore", "RebuildReport", "open_folder_store"]

MAX_READER_WAIT_SECONDS = 1.2
"""With the time that counting and answering take, an answer comes within 2 seconds."""
SHORT_WAIT_SECONDS = 0.05
"""How long it waits after it has waited in vain: a command asks several questions."""
MAX_SQL_SECONDS = 10.0
PAGE_RECORDS = 10_000
READ_ONLY_ACTIONS = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
DAMAGE_ERRORS = (StoreCorrupt, apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError)
P = ParamSpec("P")
T = TypeVar("T")
VirtualTable = tuple[Sequence[str], Iterable[tuple[str | int | None, ...]]]
"""Columns and rows that are no table of the projection."""
CatchUpFunction = Callable[[apsw.Connection, Source], int]
"""What brings the projection to where the source is, or waits for it; returns how many records are missing all the same."""
log = logging.getLogger("tasuki.store")


class RebuildReport(NamedTuple):
    """A new generation: its file, how many records it was made of, how long that took."""

    generation: str
    records: int
    seconds: float


class LocalStore:
    """Queries over a folder's journals, through its projection.

    Not thread-safe: each thread opens its own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        wait_seconds: float | None = MAX_READER_WAIT_SECONDS,
        lock_seconds: float = LOCK_SECONDS,
        ensure_caught_up: CatchUpFunction | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.wait_seconds = wait_seconds
        self.lock_seconds = lock_seconds
        self.ensure_caught_up = ensure_caught_up or self.catch_up_as_reader
        self.folder = JournalFolder(settings.journal_root, settings.lock_root)
        self.generations = Generations(locate_database_folder(settings.dir))
        self.source = open_source(self.folder, self.generations.folder / RAW_FILE, clock)
        self.missing = 0
        self.path: Path | None = None
        self.db: apsw.Connection | None = None

    def close(self) -> None:
        """Close the database and all journals."""
        self.source.close()
        if self.db is not None:
            self.db.close()
            self.db = self.path = None

    def __enter__(self) -> "LocalStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- answers

    def projects(self) -> list[ProjectRow]:
        """All projects, by name."""
        return self.run_query(Queries.projects)

    def overview(self, project: str) -> ProjectOverview:
        """A project at a glance."""
        return self.run_query(Queries.overview, project)

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """Return the project's runs, or the first `limit` of them, oldest or newest first."""
        return self.run_query(Queries.runs, project, limit=limit, newest_first=newest_first)

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        return self.run_query(Queries.run, project, ref)

    def runs_by_ref(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Several runs at once, in the order of what they are named by."""
        return self.run_query(Queries.runs_by_ref, project, refs)

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """Return the summary of each metric of each run, by run and metric.

        With `top`, only the best, best first.
        """
        return self.run_query(Queries.summaries, project, runs, metrics, top=top)

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """Return the logged calls, by (step, time)."""
        return self.run_query(Queries.history, project, run, metric)

    def history_pages(self, project: str, run: str, metric: str | None = None) -> Iterator[list[HistoryRow]]:
        """The same page by page, each in a read transaction of its own."""
        behind, more = None, True
        while more:
            page = self.run_query(Queries.history_page, project, run, metric, limit=PAGE_RECORDS, after=behind)
            behind, more = page.next_cursor, page.has_more
            yield page.rows

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points."""
        return self.run_query(Queries.series, project, run, metric)

    def alerts(
        self,
        project: str,
        run: str | None = None,
        *,
        since: int | str | None = None,
        reason: str | None = None,
        level: AlertLevel | None = None,
    ) -> list[AlertRow]:
        """The alerts of a project or of one run, in the order in which they arrived."""
        return self.run_query(Queries.alerts, project, run, since=since, reason=reason, level=level)

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """Return the texts of a run."""
        return self.run_query(Queries.texts, project, run, name)

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """A project's notes, by time."""
        return self.run_query(Queries.notes, project, kind, since=since, search=search)

    # -- changes

    def edit(self, project: str, run: str, change: RunEdit) -> RunRow:
        """Change fields and tags of a run; returns it as it is then."""
        row = self.record_edit(project, run, build_update(change))
        return self.run(project, row.id)

    def delete(self, project: str, run: str) -> RunRow:
        """Forget a run: only a tombstone stays. Returns it as it was."""
        return self.record_edit(project, run, build_deletion())

    def record_edit(self, project: str, run: str, edit: EditBuilder) -> RunRow:
        """Record an edit of a run; returns the run as it was."""
        row = self.run(project, run)
        append_edit(self.folder, project, row.id, edit(compute_edit_time(row, self.clock)))
        return row

    def stop(self, project: str, ref: str, reason: str | None, by: str | None) -> RunRow:
        """Request that the latest attempt stops: a record, and a file that its process polls once a second."""
        row = self.run_query(Queries.stoppable_run, project, ref)
        attempt = row.attempt_id or ""
        if row.stop is None:
            request = StopRequested(time=compute_edit_time(row, self.clock), attempt=attempt, reason=reason, by=by)
            append_edit(self.folder, project, row.id, request)
            row = self.run(project, row.id)
        asked = row.stop or StopRow(time=0, reason=reason, by=by)
        write_stop_file(self.settings.dir, StopCommand(run=row.id, attempt=attempt, stop=asked.reason or "", by=asked.by))
        return row

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """The files of a project or of one run, in the order in which they came."""
        return self.run_query(Queries.files, project, run)

    # -- care

    def sql(
        self, statement: str, limit_rows: int = 10_000, virtual_tables: Mapping[str, VirtualTable] = {}
    ) -> tuple[list[str], list[tuple[object, ...]]]:
        """Run a SELECT over the projection's tables and `views`; return columns and rows.

        ConfigError for any other statement, or a wrong one.
        """
        self.retry_after_repair(lambda: self.catch_up(self.wait_seconds))
        return run_select(
            str(self.path), statement, limit_rows, {name: view for name, view in virtual_tables.items() if name in statement}
        )

    def rebuild(self, progress: Callable[[int], None] = lambda _: None) -> RebuildReport:
        """Build a new generation from the journals while the current one answers; then make it current."""
        began = self.clock.monotonic()
        with self.generations.hold_build_lock():
            for path in self.generations.find_orphans():
                self.generations.remove(path)
            path = self.generations.create_next()
            db = connect_projection(path)
            try:
                caught = catch_up(db, self.source, clock=self.clock, progress=progress)
                with write_transaction(db):
                    db.execute(RENUMBER_ALERTS)
            finally:
                db.close()
            self.generations.promote(path)
        return RebuildReport(path.name, caught.records, self.clock.monotonic() - began)

    def verify(self, progress: Callable[[int], None] = lambda _: None) -> VerifyReport:
        """Check every journal against its checksums and the projection against a fresh one."""
        raw = self.generations.folder / RAW_FILE
        there = {journal.header.writer for journal in self.folder.journals()}
        self.retry_after_repair(lambda: self.catch_up(None))
        with closing(RawStore(raw)) if raw.exists() else nullcontext() as received:
            return self.retry_after_repair(
                lambda: self.run_in_read_transaction(lambda db: verify(db, self.folder, received, self.source, there, progress))
            )

    def folder_status(self) -> FolderStatus:
        """The folder's state, as `tasuki doctor` shows it. Conflict if another process has locked the store."""
        try:
            self.retry_after_repair(lambda: self.catch_up(self.wait_seconds))
            return self.run_in_read_transaction(
                lambda db: read_folder_status(db, self.settings, self.folder, str(self.path), self.missing)
            )
        except apsw.BusyError as error:
            raise Conflict(
                f"another process has locked {self.path}",
                hint="recording and sending go on without it; questions wait until that process ends",
            ) from error

    # -- how

    def run_query(self, query: Callable[Concatenate[Queries, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See that the projection is where the journals are, then answer within one read transaction."""

        def answer() -> T:
            self.missing = self.ensure_caught_up(self.connection(), self.source)
            return self.run_in_read_transaction(lambda db: query(Queries(db, self.attempt_outcome), *args, **kwargs))

        return self.retry_after_repair(answer)

    def retry_after_repair(self, action: Callable[[], T]) -> T:
        """Run an action.

        If the store is damaged, replace it by an empty one (catching up refills it) and retry.
        """
        try:
            return action()
        except DAMAGE_ERRORS as error:
            log.warning("the store is damaged and is built again from the journals: %s: %s", self.path, error)
            bad = self.path
            self.close()
            if bad is not None:
                self.generations.replace(bad)
        try:
            return action()
        except DAMAGE_ERRORS as error:
            raise StoreCorrupt(f"{self.path} is damaged again: {error}", hint="is the disk sound?") from error

    def run_in_read_transaction(self, action: Callable[[apsw.Connection], T]) -> T:
        """Do it within one read transaction of the generation that was caught up, in which nothing changes."""
        db = self.db or self.connection()
        db.execute("BEGIN")
        try:
            return action(db)
        finally:
            with suppress(apsw.Error):
                db.execute("ROLLBACK")

    def catch_up(
        self,
        wait_seconds: float | None = None,
        progress: Callable[[int], None] = lambda _: None,
        *,
        previous_missing: int = 0,
        seal_dead_writers: bool = True,
    ) -> CatchUpResult:
        """Seal journals of dead writers, then project up to the current ends, or until the time is over."""
        db = self.connection()
        sealed = {writer for (writer,) in db.execute("SELECT id FROM writer WHERE sealed")}
        if seal_dead_writers:
            self.folder.seal_dead_writers(exclude=sealed)
        caught = catch_up(
            db, self.source, wait_seconds=wait_seconds, clock=self.clock, progress=progress, previous_missing=previous_missing
        )
        self.missing = caught.missing
        return caught

    def project_all(self, progress: Callable[[int], None] = lambda _: None, *, seal_dead_writers: bool = True) -> CatchUpResult:
        """Project all that is there, however long it takes: what a projector does."""
        return self.retry_after_repair(lambda: self.catch_up(None, progress, seal_dead_writers=seal_dead_writers))

    def forget_run(self, project: str, run: str) -> None:
        """Drop what is projected of a run; what there still is of it is projected again."""
        db = self.connection()
        with write_transaction(db):
            Projection(db).forget_run(project, run)

    def forget_runs_without_streams(self) -> list[tuple[str, str]]:
        """Drop what is projected of runs of which no stream is left anywhere; returns them, by project and id."""
        self.retry_after_repair(lambda: self.catch_up(None))
        there = {(stream.project, stream.run) for stream in self.source.streams()}
        gone = [key for key in fetch_all(self.connection(), "SELECT project, id FROM run") if key not in there]
        for project, run in gone:
            self.forget_run(project, run)
        return gone

    def catch_up_as_reader(self, _: apsw.Connection, __: Source) -> int:
        """Project what is there, as a reader does that is on its own."""
        if self.missing and self.wait_seconds is not None:
            return self.catch_up(min(self.wait_seconds, SHORT_WAIT_SECONDS), previous_missing=self.missing).missing
        return self.catch_up(self.wait_seconds).missing

    def connection(self) -> apsw.Connection:
        """The connection to the current generation."""
        path = self.generations.get_or_create_current()
        if self.db is None or path != self.path:
            if self.db is not None:
                self.db.close()
            self.db, self.path = None, path
            self.db = connect_projection(path, self.lock_seconds)
        return self.db

    def attempt_outcome(self, streams: list[AttemptStart], silent_us: int) -> AttemptOutcome:
        """Return the outcome of an attempt: running if a stream is, else silent if one is, else over."""
        return min((self.stream_outcome(stream, silent_us) for stream in streams), default=AttemptOutcome.OVER)

    def stream_outcome(self, stream: AttemptStart, silent_us: int) -> AttemptOutcome:
        """Return the outcome by one stream: OVER if it is complete or its owner is dead.

        If the owner is unknown, or `silent_us` allows a longer silence, the clock of the latest record decides.
        """
        verdict = Liveness.DEAD if stream.is_complete else self.source.check_liveness(stream.writer)
        if verdict is Liveness.UNKNOWN or (verdict is Liveness.SILENT and silent_us > SILENT_AFTER_US):
            verdict = Liveness.SILENT if self.clock.now_us() - stream.clock > silent_us else Liveness.ALIVE
        return {Liveness.ALIVE: AttemptOutcome.RUNNING, Liveness.SILENT: AttemptOutcome.SILENT}.get(verdict, AttemptOutcome.OVER)


def run_select(
    path: str, statement: str, limit_rows: int, virtual_tables: Mapping[str, VirtualTable]
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Run one SELECT on a connection that can do nothing else, for at most `MAX_SQL_SECONDS`."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    for name, (columns, lines) in virtual_tables.items():
        db.execute(f"CREATE TEMP TABLE {name} ({', '.join(columns)})")
        db.executemany(f"INSERT INTO temp.{name} VALUES ({', '.join('?' for _ in columns)})", lines)
    deadline = SYSTEM_CLOCK.monotonic() + MAX_SQL_SECONDS
    db.authorizer = lambda action, *_: apsw.SQLITE_OK if action in READ_ONLY_ACTIONS else apsw.SQLITE_DENY
    db.set_progress_handler(lambda: SYSTEM_CLOCK.monotonic() > deadline, 10_000)
    try:
        columns = [name for name, _ in apsw.ext.query_info(db, statement).description]
        return columns, list(islice(db.execute(statement), limit_rows))
    except apsw.InterruptError as error:
        raise ConfigError(f"the query took longer than {MAX_SQL_SECONDS:.0f} s", hint="add a WHERE or a LIMIT") from error
    except (apsw.SQLError, apsw.AuthError) as error:
        raise ConfigError(f"the query failed: {error}", hint="only SELECT; the tables are in docs/store.md") from error
    finally:
        db.close()


def open_folder_store(settings: Settings, *, wait_seconds: float | None = MAX_READER_WAIT_SECONDS) -> LocalStore:
    """The store of the settings' data folder."""
    return LocalStore(settings, wait_seconds=wait_seconds)
