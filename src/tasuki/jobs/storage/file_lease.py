"""What only one does at a time, of all processes of this machine and all threads of this one: who holds a file's record lock."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasuki.journal import take_lock

__all__ = ["Lease", "held"]


class Lease:
    """The right to do it. It is tried for again and again: whoever has it may end at any time, and it ends with its process."""

    HELD: set[Path] = set()  # noqa: RUF012 - of this process: opening the file of a lock that it holds would end the lock
    GUARD = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.descriptor: int | None = None

    def take(self) -> bool:
        """Whether it is ours, from now on or already."""
        with self.GUARD:
            if self.descriptor is None and self.path not in self.HELD:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.descriptor = take_lock(self.path)
                if self.descriptor is not None:
                    self.HELD.add(self.path)
        return self.descriptor is not None

    def release(self) -> None:
        """Give it up."""
        with self.GUARD:
            if self.descriptor is not None:
                os.close(self.descriptor)
                self.descriptor = None
                self.HELD.discard(self.path)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """True while it is ours, for the block; False where somebody else has it."""
    lease = Lease(path)
    try:
        yield lease.take()
    finally:
        lease.release()
