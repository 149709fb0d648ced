"""Streams of frames, wherever they lie: what is projected, and what is sent."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

from tasuki.journal.folder import JournalFileInfo, JournalFolder
from tasuki.journal.liveness import Liveness
from tasuki.journal.reader import JournalReader

__all__ = ["JournalSource", "Source", "Stream"]

OPEN_VIEWS = 64


class Stream(NamedTuple):
    """One writer's stream in a source: how many bytes it has, and whether it has ended there."""

    writer: str
    project: str
    run: str
    size: int
    sealed: bool


class Source(Protocol):
    """Streams of frames to be projected: a folder of journals, or a raw store."""

    def streams(self, known: Collection[str] = ()) -> Iterable[Stream]:
        """Every stream but those `known` by writer id."""
        ...

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`, at least one if it is there; nothing at the end, a torn tail or a hole. Idempotent."""
        ...

    def verdict(self, writer: str) -> Liveness:
        """Whether the stream's owner may still write: alive, dead, silent or unknown."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...


class JournalSource:
    """The journals of a data folder. Files stay open between reads, a few at a time."""

    def __init__(self, folder: JournalFolder) -> None:
        self.folder = folder
        self.found: dict[str, JournalFileInfo] = {}
        self.views: dict[str, JournalReader] = {}

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known` by writer id."""
        for journal in self.folder.journals(known=known):
            yield self.stream(journal)

    def stream(self, journal: JournalFileInfo) -> Stream:
        """A journal that was found, as a stream to be read from here."""
        header = journal.header
        self.found[header.writer] = journal
        return Stream(header.writer, header.project, header.run, journal.size, journal.sealed)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`; nothing at the end, at a hole, or if the file is gone."""
        view = self.view(writer)
        return b"" if view is None else view.read_frames(offset, limit_bytes)

    def verdict(self, writer: str) -> Liveness:
        """Whether a writer's owner may still write."""
        journal = self.found.get(writer) or self.folder.find(writer)
        return Liveness.UNKNOWN if journal is None else self.folder.judge(journal)

    def view(self, writer: str) -> JournalReader | None:
        """The writer's journal, open."""
        journal = self.found.get(writer) or self.folder.find(writer)
        if journal is None:
            return None
        view = self.views.pop(writer, None)
        if view is not None and view.header.sealed != journal.sealed:
            view.close()
            view = None
        if view is None:
            try:
                view = self.folder.view(journal)
            except FileNotFoundError:
                return None
        self.views[writer] = view
        if len(self.views) > OPEN_VIEWS:
            self.views.pop(next(iter(self.views))).close()
        return view

    def close(self) -> None:
        """Close all files."""
        for view in self.views.values():
            view.close()
        self.views.clear()
