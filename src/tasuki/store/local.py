"""The store of a data folder: a `Query` that first brings the projection to where the journals are."""

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import StoreDamaged
from tasuki.journal import Folder, Verdict
from tasuki.records import AlertRow, HistoryRow, ProjectRow, RunRow, Summary
from tasuki.settings import Settings
from tasuki.store.catchup import Caught, catch_up
from tasuki.store.generation import Generations, connect
from tasuki.store.place import database_folder
from tasuki.store.protocols import Series
from tasuki.store.questions import Questions
from tasuki.store.source import FolderSource

__all__ = ["LocalStore", "open_local"]

READER_WAIT_SECONDS = 2.0
SILENT_US = 60_000_000
DAMAGED = (StoreDamaged, apsw.CorruptError, apsw.NotADBError)
P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("tasuki.store")


class LocalStore:
    """Answers from a folder's journals, through its projection. Not to be shared by threads: each opens its own."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM, wait_seconds: float | None = READER_WAIT_SECONDS) -> None:
        self.settings = settings
        self.clock = clock
        self.wait_seconds = wait_seconds
        self.folder = Folder(settings.journal_root, settings.lock_root)
        self.source = FolderSource(self.folder)
        self.generations = Generations(database_folder(settings.dir))
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
        return self.ask(Questions.projects)

    def runs(self, project: str) -> list[RunRow]:
        """The project's runs, in the order they were created."""
        return self.ask(Questions.runs, project)

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        return self.ask(Questions.run, project, ref)

    def summaries(self, project: str, runs: Collection[str] | None = None, metrics: Collection[str] | None = None) -> list[Summary]:
        """The summary of each metric of each run, by run and metric."""
        return self.ask(Questions.summaries, project, runs, metrics)

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """What was logged, by (step, time)."""
        return self.ask(Questions.history, project, run, metric)

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points."""
        return self.ask(Questions.series, project, run, metric)

    def alerts(self, project: str, run: str | None = None) -> list[AlertRow]:
        """The alerts of a project or of one run, by time."""
        return self.ask(Questions.alerts, project, run)

    # -- how

    def ask(self, question: Callable[Concatenate[Questions, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Catch up, then answer within one read transaction. A store that turns out damaged is made again, once."""
        for last_try in (False, True):
            try:
                self.catch_up(self.wait_seconds)
                return self.answer(question, *args, **kwargs)
            except DAMAGED as error:
                if last_try:
                    raise StoreDamaged(f"{self.path} is damaged again: {error}", hint="tasuki rebuild") from error
                self.start_over(error)
        raise AssertionError

    def answer(self, question: Callable[Concatenate[Questions, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One answer from one state of the store."""
        db = self.connection()
        db.execute("BEGIN")
        try:
            return question(Questions(db, self.is_over), *args, **kwargs)
        finally:
            with suppress(apsw.Error):
                db.execute("ROLLBACK")

    def catch_up(self, wait_seconds: float | None = None, progress: Callable[[int], None] = lambda _: None) -> Caught:
        """Seal what dead writers left, and project up to where the journals are now, or until the time is over."""
        db = self.connection()
        sealed = {writer for (writer,) in db.execute("SELECT id FROM writer WHERE sealed")}
        self.folder.tend(known=sealed)
        caught = catch_up(db, self.source, wait_seconds=wait_seconds, clock=self.clock, progress=progress)
        self.missing = caught.missing
        return caught

    def connection(self) -> apsw.Connection:
        """The connection to the current generation."""
        path = self.generations.current_or_new()
        if self.db is None or path != self.path:
            if self.db is not None:
                self.db.close()
            self.db, self.path = None, path
            self.db = connect(path)
        return self.db

    def start_over(self, error: Exception) -> None:
        """Begin an empty store in place of a damaged one; catching up fills it."""
        log.warning("the store is damaged and is built again from the journals: %s: %s", self.path, error)
        bad = self.path
        self.close()
        if bad is not None:
            self.generations.replace(bad)

    def is_over(self, writers: list[tuple[str, bool]], updated: int) -> bool:
        """Whether all streams of an attempt have ended: complete, or dead, or of a host that has been silent for a minute."""
        silent = self.clock.now_us() - updated > SILENT_US
        return all(
            sealed or (verdict := self.source.verdict(writer)) is Verdict.DEAD or (verdict is Verdict.UNKNOWN and silent)
            for writer, sealed in writers
        )


def open_local(settings: Settings, *, wait_seconds: float | None = READER_WAIT_SECONDS) -> LocalStore:
    """The store of the settings' data folder."""
    return LocalStore(settings, wait_seconds=wait_seconds)
