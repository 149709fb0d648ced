"""The streams that one process sends: its own, and those of dead processes for the same remote."""

from collections.abc import Collection, Iterator
from pathlib import Path

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.journal import JournalFileInfo, JournalFolder, JournalSource, Liveness, Stream

__all__ = ["ProcessSource"]

SCAN_INTERVAL_SECONDS = 10.0


class ProcessSource:
    """A `Source` of the streams that a process sends: its own files, and journals of dead processes.

    Left are journals whose owner is dead and which say that they are meant for this remote. The folder is searched for them at
    the start, every ten seconds, and when it is asked for. Two processes that take up the same one do no harm.
    """

    def __init__(self, folder: JournalFolder, remote: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.folder = folder
        self.remote = remote
        self.clock = clock
        self.journal_source = JournalSource(folder)
        self.journal_paths: dict[str, Path] = {}
        self.should_seal = True
        self.next_scan_at = clock.monotonic()

    def add_journal_file(self, path: Path) -> None:
        """Add a file that this process writes."""
        self.journal_paths[path.stem] = path

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream to send but those `known` by writer id."""
        if self.clock.monotonic() >= self.next_scan_at:
            self.next_scan_at = self.clock.monotonic() + SCAN_INTERVAL_SECONDS
            self.scan_folder(exclude)
        for writer, path in list(self.journal_paths.items()):
            if writer not in exclude:
                found = self.folder.inspect_file(path)
                if isinstance(found, JournalFileInfo):
                    yield self.journal_source.register_journal(found)

    def clone_read_only(self) -> "ProcessSource":
        """Return a read-only copy of this source for another thread, with its own files.

        It never seals a journal.
        """
        other = ProcessSource(self.folder, self.remote, clock=self.clock)
        other.journal_paths, other.should_seal = dict(self.journal_paths), False
        return other

    def request_scan(self) -> None:
        """Search the folder at the next look, whenever it was searched last: workers may have ended since."""
        self.next_scan_at = self.clock.monotonic()

    def scan_folder(self, known: Collection[str]) -> None:
        """Add journals of dead processes."""
        for journal in self.folder.journals(exclude={*known, *self.journal_paths}):
            if journal.header.remote == self.remote and self.folder.check_liveness(journal) is Liveness.DEAD:
                if self.should_seal and not journal.is_sealed:
                    self.folder.seal_if_dead(journal)
                self.journal_paths[journal.header.writer] = journal.path

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`."""
        return self.journal_source.read(writer, offset, limit_bytes)

    def check_liveness(self, writer: str) -> Liveness:
        """Return whether the stream's owner may still write."""
        return self.journal_source.check_liveness(writer)

    def close(self) -> None:
        """Close all files."""
        self.journal_source.close()
