"""Mutual exclusion across processes and threads by a POSIX record lock on a file."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasuki.journal import try_writer_lock

__all__ = ["Lease", "try_lease"]


class Lease:
    """A lease on a lock file. It ends with its process, so try `take` again while another holds it."""

    HELD_PATHS: set[Path] = set()  # noqa: RUF012 - of this process: opening the file of a lock that it holds would end the lock
    GUARD = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lease unless another process or thread holds it. Return whether it is ours."""
        with self.GUARD:
            if self.descriptor is None and self.path not in self.HELD_PATHS:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.descriptor = try_writer_lock(self.path)
                if self.descriptor is not None:
                    self.HELD_PATHS.add(self.path)
        return self.descriptor is not None

    def release(self) -> None:
        """Release the lease, if it is ours."""
        with self.GUARD:
            if self.descriptor is not None:
                os.close(self.descriptor)
                self.descriptor = None
                self.HELD_PATHS.discard(self.path)


@contextmanager
def try_lease(path: Path) -> Iterator[bool]:
    """Take a lease for the block, and yield whether it is ours; do not wait for another holder."""
    lease = Lease(path)
    try:
        yield lease.acquire()
    finally:
        lease.release()
