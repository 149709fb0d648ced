"""Streams of frames, wherever they lie: what is projected, and what is sent."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

from tasuki.journal.folder import JournalFileInfo, JournalFolder
from tasuki.journal.liveness import Liveness
from tasuki.journal.reader import JournalReader

__all__ = ["JournalSource", "Source", "Stream"]

MAX_OPEN_READERS = 64


class Stream(NamedTuple):
    """One writer's stream in a source: how many bytes it has, and whether it has ended there."""

    writer: str
    project: str
    run: str
    size: int
    is_sealed: bool


class Source(Protocol):
    """Streams of frames to be projected: a folder of journals, or a raw store."""

    def streams(self, exclude: Collection[str] = ()) -> Iterable[Stream]:
        """Every stream but those `known` by writer id."""
        ...

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`, at least one if available; empty at the end or at damage.

        Idempotent.
        """
        ...

    def check_liveness(self, writer: str) -> Liveness:
        """Return the liveness of a stream's owner."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...


class JournalSource:
    """The journals of a data folder. Files stay open between reads, a few at a time."""

    def __init__(self, folder: JournalFolder) -> None:
        self.folder = folder
        self.journals: dict[str, JournalFileInfo] = {}
        self.readers: dict[str, JournalReader] = {}

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known` by writer id."""
        for journal in self.folder.journals(exclude=exclude):
            yield self.register_journal(journal)

    def register_journal(self, journal: JournalFileInfo) -> Stream:
        """A journal that was found, as a stream to be read from here."""
        header = journal.header
        self.journals[header.writer] = journal
        return Stream(header.writer, header.project, header.run, journal.size, journal.is_sealed)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`; nothing at the end, at a hole, or if the file is gone."""
        view = self.open_reader(writer)
        return b"" if view is None else view.read_frames(offset, limit_bytes)

    def check_liveness(self, writer: str) -> Liveness:
        """Return the liveness of a writer's owner."""
        journal = self.journals.get(writer) or self.folder.find(writer)
        return Liveness.UNKNOWN if journal is None else self.folder.check_liveness(journal)

    def open_reader(self, writer: str) -> JournalReader | None:
        """The writer's journal, open."""
        journal = self.journals.get(writer) or self.folder.find(writer)
        if journal is None:
            return None
        view = self.readers.pop(writer, None)
        if view is not None and view.header.is_sealed != journal.is_sealed:
            view.close()
            view = None
        if view is None:
            try:
                view = self.folder.open_reader(journal)
            except FileNotFoundError:
                return None
        self.readers[writer] = view
        if len(self.readers) > MAX_OPEN_READERS:
            self.readers.pop(next(iter(self.readers))).close()
        return view

    def close(self) -> None:
        """Close all files."""
        for view in self.readers.values():
            view.close()
        self.readers.clear()
