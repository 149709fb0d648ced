"""The job journal: append records of jobs, and query them through the projection."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple, TypeVar

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import JournalError
from tasuki.jobs.storage.state_db import JobStateDb
from tasuki.journal import Appender, JournalFolder, JournalSource, Source, Stream
from tasuki.records import JOBS_PROJECT, JobRecord, encode
from tasuki.settings import Settings
from tasuki.store import RAW_FILE, JobQueries, LocalStore, RawStore, UnionSource, catch_up, locate_database_folder

__all__ = ["JobJournal"]

T = TypeVar("T")


class JobJournalSource(JournalSource):
    """The job journals of a data folder."""

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream but those `known` by writer id."""
        for journal in self.folder.journals(exclude=exclude, project=JOBS_PROJECT):
            yield self.register_journal(journal)


class ReceivedJobSource(RawStore):
    """The job streams that a server has received."""

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream but those `known` by writer id."""
        return (stream for stream in self.project_streams(JOBS_PROJECT) if stream.writer not in exclude)


class StreamSize(NamedTuple):
    """A stream and its size."""

    name: str
    size: int


class JobJournal:
    """The job journal of one data folder. Not thread-safe. A query sees every record written before it."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.folder = JournalFolder(settings.journal_root, settings.lock_root)
        self.raw_path = locate_database_folder(settings.dir) / RAW_FILE
        self.state_db = JobStateDb(locate_database_folder(settings.dir))
        self.store = LocalStore(settings, clock=clock, ensure_caught_up=self.ensure_caught_up)
        self.source: Source | None = None
        self.appender = Appender(
            project=JOBS_PROJECT,
            run="",
            folder=self.folder.project_folder(JOBS_PROJECT),
            lock_folder=self.folder.lock_folder(JOBS_PROJECT),
            clock=clock,
        )
        self.projected_sizes: tuple[object, frozenset[StreamSize]] = (None, frozenset())

    def close(self) -> None:
        """End this process's journal, and close everything."""
        self.appender.close()
        if self.source is not None:
            self.source.close()
        self.store.close()
        self.state_db.close()

    def record(self, records: Iterable[JobRecord]) -> None:
        """Append records; they are on disk when it returns. Raise JournalError on failure."""
        for fact in records:
            self.appender.append(encode(fact))
        if self.appender.lost_calls is not None:
            raise JournalError(
                f"what is known of jobs can't be written to {self.appender.folder}", hint="is there room on the disk?"
            )
        self.appender.sync()

    def run_query(self, query: Callable[[JobQueries], T]) -> T:
        """Answer a query from everything in the job journals now."""
        return self.store.run_query(lambda queries: query(JobQueries(queries.db)))

    def maintain(self) -> None:
        """Sync and seal; call it now and then."""
        self.appender.maintain()

    def ensure_caught_up(self, db: apsw.Connection, _: Source) -> int:
        """Project new records of the job journals; skip streams whose sizes are unchanged."""
        sizes = (self.store.path, frozenset(self.iter_stream_sizes()))
        if sizes == self.projected_sizes:
            return 0
        caught = catch_up(db, self.open_source(), clock=self.clock)
        self.projected_sizes = sizes if not caught.missing else (None, frozenset())
        return caught.missing

    def iter_stream_sizes(self) -> Iterator[StreamSize]:
        """Yield the size of each stream."""
        for path in self.folder.files(project=JOBS_PROJECT):
            try:
                yield StreamSize(path.name, os.stat(path).st_size)  # noqa: PTH116 - `path.stat()` is twice as slow
            except FileNotFoundError:
                continue
        if isinstance(self.open_source(), UnionSource):
            for stream in self.list_received_streams():
                yield StreamSize(stream.writer, stream.size)

    def list_received_streams(self) -> Iterable[Stream]:
        """Return the streams that a server has received."""
        source = self.open_source()
        return source.sources[1].streams() if isinstance(source, UnionSource) else ()

    def open_source(self) -> Source:
        """Return the source of all job streams: own journals, and those that a server received."""
        if self.source is None or (isinstance(self.source, JobJournalSource) and self.raw_path.exists()):
            journals = JobJournalSource(self.folder)
            self.source = UnionSource([journals, ReceivedJobSource(self.raw_path)]) if self.raw_path.exists() else journals
        return self.source
