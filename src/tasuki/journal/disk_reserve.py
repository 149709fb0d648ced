"""Room on the disk for what must still be said when it is full: a status, alerts, how much was lost."""

import secrets
from contextlib import suppress
from io import FileIO
from pathlib import Path

__all__ = ["RESERVE_BYTES", "RESERVE_SUFFIX", "DiskReserve"]

RESERVE_BYTES = 64 * 1024
RESERVE_SUFFIX = ".reserve"


class DiskReserve:
    """A file of random bytes (incompressible) that holds disk space.

    Named after a writer, so that its sealer finds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None

    @property
    def size(self) -> int:
        """Return the number of bytes held."""
        try:
            return self.path.stat().st_size if self.path else 0
        except FileNotFoundError:
            return 0

    def fill(self, writer: str) -> bool:
        """Hold the space, or as much as is free; return whether all of it is held.

        Raise OSError if no file can be made.
        """
        path = self.folder / f"{writer}{RESERVE_SUFFIX}"
        if path == self.path and self.size >= RESERVE_BYTES:
            return True
        before, self.path = self.path, path
        if before not in {None, path}:
            with suppress(FileNotFoundError):
                before.rename(path)
        with FileIO(path, "ab") as file:
            missing = RESERVE_BYTES - file.tell()
            if missing > 0:
                with suppress(OSError):
                    file.write(secrets.token_bytes(missing))
            return file.tell() >= RESERVE_BYTES

    def release(self) -> bool:
        """Free the room. False if there was none."""
        held = self.size
        path, self.path = self.path, None
        if path is not None:
            path.unlink(missing_ok=True)
        return held > 0
