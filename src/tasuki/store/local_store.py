"""The store of a data folder: a `Query` that first brings the projection to where the journals are."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import apsw
import apsw.ext

from tasuki.clock import SYSTEM, Clock
from tasuki.database.sqlite import immediate, rows
from tasuki.errors import ConfigError, Conflict, StoreCorrupt
from tasuki.journal import JournalFolder, Liveness, Source, append_edit, write_control
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
from tasuki.store.database_location import database_folder
from tasuki.store.edit_records import Edit, changed, deleted, later
from tasuki.store.folder_status import FolderStatus, condition
from tasuki.store.generations import LOCK_SECONDS, Generations, connect
from tasuki.store.projection import Projection
from tasuki.store.queries.attempts import AttemptOutcome, AttemptStart
from tasuki.store.queries.queries import Queries
from tasuki.store.queries.statements import SETTLED_ALERTS, SILENT_US, BestRuns
from tasuki.store.raw_store import RAW_FILE, RawStore
from tasuki.store.series.points import Series
from tasuki.store.union_source import open_source
from tasuki.store.verify import VerifyReport, verify

__all__ = ["Arrival", "LocalStore", "RebuildReport", "open_local"]

READER_WAIT_SECONDS = 1.2
"""With the time that counting and answering take, an answer comes within 2 seconds."""
HURRIED_SECONDS = 0.05
"""How long it waits after it has waited in vain: a command asks several questions."""
SQL_SECONDS = 10.0
PAGE_RECORDS = 10_000
READ_ONLY = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
DAMAGED = (StoreCorrupt, apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError)
P = ParamSpec("P")
T = TypeVar("T")
View = tuple[Sequence[str], Iterable[tuple[str | int | None, ...]]]
"""Columns and rows that are no table of the projection."""
Arrival = Callable[[apsw.Connection, Source], int]
"""What brings the projection to where the source is, or waits for it; returns how many records are missing all the same."""
log = logging.getLogger("tasuki.store")


class RebuildReport(NamedTuple):
    """A new generation: its file, how many records it was made of, how long that took."""

    generation: str
    records: int
    seconds: float


class LocalStore:
    """Answers from a folder's journals, through its projection. Not to be shared by threads: each opens its own."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = SYSTEM,
        wait_seconds: float | None = READER_WAIT_SECONDS,
        lock_seconds: float = LOCK_SECONDS,
        arrive: Arrival | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.wait_seconds = wait_seconds
        self.lock_seconds = lock_seconds
        self.arrive = arrive or self.project
        self.folder = JournalFolder(settings.journal_root, settings.lock_root)
        self.generations = Generations(database_folder(settings.dir))
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
        return self.ask(Queries.projects)

    def overview(self, project: str) -> ProjectOverview:
        """A project at a glance."""
        return self.ask(Queries.overview, project)

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """The project's runs, or the first `limit` of them, in the order they were created or the newest first."""
        return self.ask(Queries.runs, project, limit=limit, newest_first=newest_first)

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        return self.ask(Queries.run, project, ref)

    def named(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Several runs at once, in the order of what they are named by."""
        return self.ask(Queries.named, project, refs)

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """The summary of each metric of each run, by run and metric; with `top` only the best of them, the best first."""
        return self.ask(Queries.summaries, project, runs, metrics, top=top)

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """What was logged, by (step, time)."""
        return self.ask(Queries.history, project, run, metric)

    def history_pages(self, project: str, run: str, metric: str | None = None) -> Iterator[list[HistoryRow]]:
        """The same page by page, each in a read transaction of its own."""
        behind, more = None, True
        while more:
            page = self.ask(Queries.history_page, project, run, metric, limit=PAGE_RECORDS, behind=behind)
            behind, more = page.end, page.more
            yield page.rows

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points."""
        return self.ask(Queries.series, project, run, metric)

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
        return self.ask(Queries.alerts, project, run, since=since, reason=reason, level=level)

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """What a run has kept as text."""
        return self.ask(Queries.texts, project, run, name)

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """A project's notes, by time."""
        return self.ask(Queries.notes, project, kind, since=since, search=search)

    # -- changes

    def edit(self, project: str, run: str, change: RunEdit) -> RunRow:
        """Change fields and tags of a run; returns it as it is then."""
        row = self.append(project, run, changed(change))
        return self.run(project, row.id)

    def delete(self, project: str, run: str) -> RunRow:
        """Forget a run: only a tombstone stays. Returns it as it was."""
        return self.append(project, run, deleted())

    def append(self, project: str, run: str, edit: Edit) -> RunRow:
        """Record an edit of a run; returns the run as it was."""
        row = self.run(project, run)
        append_edit(self.folder, project, row.id, edit(later(row, self.clock)))
        return row

    def stop(self, project: str, ref: str, reason: str | None, by: str | None) -> RunRow:
        """Ask the latest attempt at a run to stop: on record, and in a file that its process looks at once a second."""
        row = self.ask(Queries.going_on, project, ref)
        attempt = row.attempt_id or ""
        if row.stop is None:
            request = StopRequested(time=later(row, self.clock), attempt=attempt, reason=reason, by=by)
            append_edit(self.folder, project, row.id, request)
            row = self.run(project, row.id)
        asked = row.stop or StopRow(time=0, reason=reason, by=by)
        write_control(self.settings.dir, StopCommand(run=row.id, attempt=attempt, stop=asked.reason or "", by=asked.by))
        return row

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """The files of a project or of one run, in the order in which they came."""
        return self.ask(Queries.files, project, run)

    # -- care

    def sql(
        self, statement: str, limit_rows: int = 10_000, views: Mapping[str, View] = {}
    ) -> tuple[list[str], list[tuple[object, ...]]]:
        """The columns and rows of a SELECT over the projection's tables, and `views` that are made for it where it names them.

        ConfigError for any other statement, or a wrong one.
        """
        self.repairing(lambda: self.catch_up(self.wait_seconds))
        return select(str(self.path), statement, limit_rows, {name: view for name, view in views.items() if name in statement})

    def rebuild(self, progress: Callable[[int], None] = lambda _: None) -> RebuildReport:
        """Build a new generation from the journals while the current one answers, then make it the current one."""
        began = self.clock.monotonic()
        with self.generations.locked():
            for path in self.generations.litter():
                self.generations.remove(path)
            path = self.generations.next()
            db = connect(path)
            try:
                caught = catch_up(db, self.source, clock=self.clock, progress=progress)
                with immediate(db):
                    db.execute(SETTLED_ALERTS)
            finally:
                db.close()
            self.generations.promote(path)
        return RebuildReport(path.name, caught.records, self.clock.monotonic() - began)

    def verify(self, progress: Callable[[int], None] = lambda _: None) -> VerifyReport:
        """Check every journal against its checksums and the projection against a fresh one."""
        raw = self.generations.folder / RAW_FILE
        there = {journal.header.writer for journal in self.folder.journals()}
        self.repairing(lambda: self.catch_up(None))
        with closing(RawStore(raw)) if raw.exists() else nullcontext() as received:
            return self.repairing(lambda: self.reading(lambda db: verify(db, self.folder, received, self.source, there, progress)))

    def condition(self) -> FolderStatus:
        """The folder's state, as `tasuki doctor` shows it. Conflict if another process has locked the store."""
        try:
            self.repairing(lambda: self.catch_up(self.wait_seconds))
            return self.reading(lambda db: condition(db, self.settings, self.folder, str(self.path), self.missing))
        except apsw.BusyError as error:
            raise Conflict(
                f"another process has locked {self.path}",
                hint="recording and sending go on without it; questions wait until that process ends",
            ) from error

    # -- how

    def ask(self, query: Callable[Concatenate[Queries, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See that the projection is where the journals are, then answer within one read transaction."""

        def answer() -> T:
            self.missing = self.arrive(self.connection(), self.source)
            return self.reading(lambda db: query(Queries(db, self.attempt_outcome), *args, **kwargs))

        return self.repairing(answer)

    def repairing(self, action: Callable[[], T]) -> T:
        """Do it; if the store turns out damaged, begin an empty one in its place, which catching up fills, and do it again."""
        try:
            return action()
        except DAMAGED as error:
            log.warning("the store is damaged and is built again from the journals: %s: %s", self.path, error)
            bad = self.path
            self.close()
            if bad is not None:
                self.generations.replace(bad)
        try:
            return action()
        except DAMAGED as error:
            raise StoreCorrupt(f"{self.path} is damaged again: {error}", hint="is the disk sound?") from error

    def reading(self, action: Callable[[apsw.Connection], T]) -> T:
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
        missing: int = 0,
        tend: bool = True,
    ) -> CatchUpResult:
        """Seal what dead writers left, and project up to where the journals are now, or until the time is over."""
        db = self.connection()
        sealed = {writer for (writer,) in db.execute("SELECT id FROM writer WHERE sealed")}
        if tend:
            self.folder.tend(known=sealed)
        caught = catch_up(db, self.source, wait_seconds=wait_seconds, clock=self.clock, progress=progress, missing=missing)
        self.missing = caught.missing
        return caught

    def project_all(self, progress: Callable[[int], None] = lambda _: None, *, tend: bool = True) -> CatchUpResult:
        """Project all that is there, however long it takes: what a projector does."""
        return self.repairing(lambda: self.catch_up(None, progress, tend=tend))

    def forget(self, project: str, run: str) -> None:
        """Drop what is projected of a run; what there still is of it is projected again."""
        db = self.connection()
        with immediate(db):
            Projection(db).forget(project, run)

    def forget_gone(self) -> list[tuple[str, str]]:
        """Drop what is projected of runs of which no stream is left anywhere; returns them, by project and id."""
        self.repairing(lambda: self.catch_up(None))
        there = {(stream.project, stream.run) for stream in self.source.streams()}
        gone = [key for key in rows(self.connection(), "SELECT project, id FROM run") if key not in there]
        for project, run in gone:
            self.forget(project, run)
        return gone

    def project(self, _: apsw.Connection, __: Source) -> int:
        """Project what is there, as a reader does that is on its own."""
        if self.missing and self.wait_seconds is not None:
            return self.catch_up(min(self.wait_seconds, HURRIED_SECONDS), missing=self.missing).missing
        return self.catch_up(self.wait_seconds).missing

    def connection(self) -> apsw.Connection:
        """The connection to the current generation."""
        path = self.generations.current_or_new()
        if self.db is None or path != self.path:
            if self.db is not None:
                self.db.close()
            self.db, self.path = None, path
            self.db = connect(path, self.lock_seconds)
        return self.db

    def attempt_outcome(self, streams: list[AttemptStart], silent_us: int) -> AttemptOutcome:
        """Return the outcome of an attempt: running if one of its streams is, else silent if one is, else over."""
        return min((self.stream_outcome(stream, silent_us) for stream in streams), default=AttemptOutcome.OVER)

    def stream_outcome(self, stream: AttemptStart, silent_us: int) -> AttemptOutcome:
        """Return the outcome by one stream: OVER if it is complete or its owner is dead.

        If the owner is unknown, or `silent_us` allows a longer silence, the clock of the latest record decides.
        """
        verdict = Liveness.DEAD if stream.complete else self.source.verdict(stream.writer)
        if verdict is Liveness.UNKNOWN or (verdict is Liveness.SILENT and silent_us > SILENT_US):
            verdict = Liveness.SILENT if self.clock.now_us() - stream.clock > silent_us else Liveness.ALIVE
        return {Liveness.ALIVE: AttemptOutcome.GOING_ON, Liveness.SILENT: AttemptOutcome.SILENT}.get(verdict, AttemptOutcome.OVER)


def select(path: str, statement: str, limit_rows: int, views: Mapping[str, View]) -> tuple[list[str], list[tuple[object, ...]]]:
    """Run one SELECT on a connection that can do nothing else, for at most `SQL_SECONDS`."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    for name, (columns, lines) in views.items():
        db.execute(f"CREATE TEMP TABLE {name} ({', '.join(columns)})")
        db.executemany(f"INSERT INTO temp.{name} VALUES ({', '.join('?' for _ in columns)})", lines)
    deadline = SYSTEM.monotonic() + SQL_SECONDS
    db.authorizer = lambda action, *_: apsw.SQLITE_OK if action in READ_ONLY else apsw.SQLITE_DENY
    db.set_progress_handler(lambda: SYSTEM.monotonic() > deadline, 10_000)
    try:
        columns = [name for name, _ in apsw.ext.query_info(db, statement).description]
        return columns, list(islice(db.execute(statement), limit_rows))
    except apsw.InterruptError as error:
        raise ConfigError(f"the query took longer than {SQL_SECONDS:.0f} s", hint="add a WHERE or a LIMIT") from error
    except (apsw.SQLError, apsw.AuthError) as error:
        raise ConfigError(f"the query failed: {error}", hint="only SELECT; the tables are in docs/store.md") from error
    finally:
        db.close()


def open_local(settings: Settings, *, wait_seconds: float | None = READER_WAIT_SECONDS) -> LocalStore:
    """The store of the settings' data folder."""
    return LocalStore(settings, wait_seconds=wait_seconds)
