"""`tasuki import trackio`.

Read trackio as a volume's syncer does, and write to a folder's own journals.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.importers.trackio.folder import TrackioFolder
from tasuki.importers.trackio.sender import TrackioSender
from tasuki.journal import JournalFolder
from tasuki.relay.journal_receiver import JournalReceiver
from tasuki.settings import Settings

__all__ = ["Importer"]


class Importer:
    """Imports one trackio folder into one data folder."""

    def __init__(self, settings: Settings, folder: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.folder = TrackioFolder(folder, settings.dir / "imported" / "trackio", destination="journal", clock=clock)
        receiver = JournalReceiver(JournalFolder(settings.journal_root, settings.lock_root), clock=clock)
        self.sender = TrackioSender(self.folder, receiver, clock=clock)
        self.clock = clock
        self.last_errors: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.folder.close()

    def sleep(self, seconds: float) -> None:
        """Wait between two rounds."""
        self.clock.sleep(seconds)

    def run_round(self, say: Callable[[str], None]) -> int:
        """Import new data; return the number of projects that could not be read."""
        failed = 0
        for brought in self.sender.run_round():
            if brought.records:
                say(f"imported {brought.records:,} records of {brought.project!r}")
            line = f"error {brought.project!r}: {brought.error}" if brought.error else ""
            if line and self.last_errors.get(brought.project) != line:
                say(line)
            self.last_errors[brought.project] = line
            failed += bool(brought.error)
        return failed
