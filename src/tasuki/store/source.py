"""A folder of journals as a source of streams."""

from collections.abc import Collection, Iterator

from tasuki.journal import Folder, Journal, Verdict, View
from tasuki.store.protocols import Stream

__all__ = ["FolderSource"]

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
        """Whether a writer's owner may still write. A journal that is gone is over."""
        journal = self.found.get(writer) or self.folder.find(writer)
        return Verdict.DEAD if journal is None else self.folder.judge(journal)

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
