"""The streams that one process sends: its own, and those of dead processes for the same remote."""

from collections.abc import Collection, Iterator
from pathlib import Path

from tasuki.clock import SYSTEM, Clock
from tasuki.journal import JournalFileInfo, JournalFolder, JournalSource, Liveness, Stream

__all__ = ["ProcessSource"]

LOOK_AROUND_SECONDS = 10.0


class ProcessSource:
    """A `Source` of the streams that a process sends: its own files, and journals of dead processes.

    Left are journals whose owner is dead and which say that they are meant for this remote. The folder is searched for them at
    the start, every ten seconds, and when it is asked for. Two processes that take up the same one do no harm.
    """

    def __init__(self, folder: JournalFolder, remote: str, *, clock: Clock = SYSTEM) -> None:
        self.folder = folder
        self.remote = remote
        self.clock = clock
        self.files = JournalSource(folder)
        self.paths: dict[str, Path] = {}
        self.seals = True
        self.look_around_at = clock.monotonic()

    def add(self, path: Path) -> None:
        """Add a file that this process writes."""
        self.paths[path.stem] = path

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream to send but those `known` by writer id."""
        if self.clock.monotonic() >= self.look_around_at:
            self.look_around_at = self.clock.monotonic() + LOOK_AROUND_SECONDS
            self.look_around(known)
        for writer, path in list(self.paths.items()):
            if writer not in known:
                found = self.folder.look(path)
                if isinstance(found, JournalFileInfo):
                    yield self.files.stream(found)

    def beside(self) -> "ProcessSource":
        """Return a read-only copy of this source for another thread, with its own files.

        It never seals a journal.
        """
        other = ProcessSource(self.folder, self.remote, clock=self.clock)
        other.paths, other.seals = dict(self.paths), False
        return other

    def look_around_soon(self) -> None:
        """Search the folder at the next look, whenever it was searched last: workers may have ended since."""
        self.look_around_at = self.clock.monotonic()

    def look_around(self, known: Collection[str]) -> None:
        """Add journals of dead processes."""
        for journal in self.folder.journals(known={*known, *self.paths}):
            if journal.header.remote == self.remote and self.folder.judge(journal) is Liveness.DEAD:
                if self.seals and not journal.sealed:
                    self.folder.seal_dead(journal)
                self.paths[journal.header.writer] = journal.path

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`."""
        return self.files.read(writer, offset, limit_bytes)

    def verdict(self, writer: str) -> Liveness:
        """Return whether the stream's owner may still write."""
        return self.files.verdict(writer)

    def close(self) -> None:
        """Close all files."""
        self.files.close()
