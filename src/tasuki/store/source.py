"""A data folder as a source of streams: its journals, and what a server has received into it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tasuki.journal import Folder, Journal, Verdict, View
from tasuki.store.protocols import Source, Stream
from tasuki.store.raw import RawStore

__all__ = ["FolderSource", "UnionSource", "open_source"]

OPEN_VIEWS = 64


class FolderSource:
    """The journals of a data folder. Files stay open between reads, a few at a time."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.found: dict[str, Journal] = {}
        self.views: dict[str, View] = {}

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known` by writer id."""
        for journal in self.folder.journals(known=known):
            header = journal.header
            self.found[header.writer] = journal
            yield Stream(header.writer, header.project, header.run, journal.size, journal.sealed)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`; nothing at the end, at a hole, or if the file is gone."""
        view = self.view(writer)
        return b"" if view is None else view.read_frames(offset, limit_bytes)

    def verdict(self, writer: str) -> Verdict:
        """Whether a writer's owner may still write."""
        journal = self.found.get(writer) or self.folder.find(writer)
        return Verdict.UNKNOWN if journal is None else self.folder.judge(journal)

    def view(self, writer: str) -> View | None:
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


class UnionSource:
    """Several sources as one. A stream is the same everywhere, as far as it goes, so the longest is read."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.best: dict[str, Source] = {}

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known`, from where there is most of it."""
        found: dict[str, tuple[Stream, Source]] = {}
        for source in self.sources:
            for stream in source.streams(known):
                longest, _ = found.get(stream.writer, (stream, source))
                if (stream.size, stream.sealed) >= (longest.size, longest.sealed):
                    found[stream.writer] = (stream, source)
        for stream, source in found.values():
            self.best[stream.writer] = source
            yield stream

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`; nothing for a stream that was never listed."""
        source = self.best.get(writer)
        return b"" if source is None else source.read(writer, offset, limit_bytes)

    def verdict(self, writer: str) -> Verdict:
        """What the first source says that knows."""
        verdicts = (source.verdict(writer) for source in self.sources)
        return next((verdict for verdict in verdicts if verdict is not Verdict.UNKNOWN), Verdict.UNKNOWN)

    def close(self) -> None:
        """Close all sources."""
        for source in self.sources:
            source.close()


def open_source(folder: Folder, raw: Path) -> FolderSource | UnionSource:
    """A folder's journals, and the raw store of a server where there is one."""
    journals = FolderSource(folder)
    return UnionSource([journals, RawStore(raw)]) if raw.exists() else journals
