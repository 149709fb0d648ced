"""Room on the disk for what must still be said when it is full: a status, alerts, how much was lost."""

import secrets
from contextlib import suppress
from io import FileIO
from pathlib import Path

__all__ = ["RESERVE_BYTES", "RESERVE_SUFFIX", "Reserve"]

RESERVE_BYTES = 64 * 1024
RESERVE_SUFFIX = ".reserve"


class Reserve:
    """A file of random bytes (a file system could compress others), named after a writer: whoever seals its journal finds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        self.bytes = 0

    def belongs_to(self, writer: str) -> None:
        """Name it after another writer."""
        if self.path is not None:
            try:
                self.path = self.path.rename(self.named_after(writer))
            except FileNotFoundError:
                self.path, self.bytes = None, 0

    def keep(self, writer: str) -> bool:
        """Hold the room, or as much of it as there is; True if that is all of it. OSError where no file can be made."""
        path = self.named_after(writer)
        if path == self.path and self.bytes >= RESERVE_BYTES:
            return True
        self.belongs_to(writer)
        with FileIO(path, "ab") as file:
            self.path = path
            self.bytes = file.tell()
            with suppress(OSError):
                self.bytes += file.write(secrets.token_bytes(max(0, RESERVE_BYTES - self.bytes)))
        return self.bytes >= RESERVE_BYTES

    def give_up(self) -> bool:
        """Free the room. False if there was none."""
        path, self.path, held, self.bytes = self.path, None, self.bytes, 0
        if path is not None:
            path.unlink(missing_ok=True)
        return held > 0

    def named_after(self, writer: str) -> Path:
        """Where the reserve of a writer lies."""
        return self.folder / f"{writer}{RESERVE_SUFFIX}"
