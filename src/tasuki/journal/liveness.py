"""Dead, alive or unknown: whether a journal's owner may still write.

The owner holds a POSIX record lock on `<writer>.lock`. Such a lock is not inherited by a fork and ends with the process, however
it ends; it would also end if its own process opened and closed that file once more, so a process never opens a lock it holds
(`HELD`). Dead is an owner that is seen to be gone: same boot, same pid namespace, no process of that pid and start time. Alive is
one whose lock is held. Anything else (another host, another container) is unknown. Only a dead one's journal may be sealed, by
whoever then holds the lock.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from tasuki.errors import LocksUnsupported
from tasuki.file_locks import open_lock_file, try_record_lock
from tasuki.journal.header import JournalHeader, OwnerProcess, identify_current_process, read_pid_start

__all__ = [
    "HELD_WRITERS",
    "LOCK_SUFFIX",
    "Liveness",
    "check_liveness",
    "claim_dead_journal",
    "remove_free_lock",
    "try_writer_lock",
    "writer_lock_path",
]

LOCK_SUFFIX = ".lock"
HELD_WRITERS: set[str] = set()
"""Writers whose lock this process holds."""

lock_mutex = threading.Lock()


def reset_locks_in_child() -> None:
    """A forked child owns no writer and inherits no lock."""
    global lock_mutex
    lock_mutex = threading.Lock()
    HELD_WRITERS.clear()


os.register_at_fork(after_in_child=reset_locks_in_child)


class Liveness(Enum):
    """Liveness of a journal's owner. SILENT: on another host, no bytes for 60 seconds."""

    ALIVE = "alive"
    DEAD = "dead"
    SILENT = "silent"
    UNKNOWN = "unknown"


def writer_lock_path(folder: Path, writer: str) -> Path:
    """The lock of a writer."""
    return folder / f"{writer}{LOCK_SUFFIX}"


def try_writer_lock(path: Path) -> int | None:
    """Return an open descriptor that holds the record lock, or None if another process holds it.

    On a file system without locks the descriptor holds nothing: recording goes on, and heartbeats show who is alive.
    """
    try:
        return try_record_lock(path)
    except LocksUnsupported:
        return open_lock_file(path)


def is_owner_gone(owner: OwnerProcess) -> bool:
    """True only if the owner could be seen from here and is not there."""
    here = identify_current_process()
    comparable = owner.boot == here.boot != "" and owner.pid_namespace == here.pid_namespace != ""
    return comparable and read_pid_start(owner.pid) != owner.pid_start


def check_liveness(header: JournalHeader, lock: Path) -> Liveness:
    """Return the liveness of the owner of an unsealed journal."""
    if header.writer in HELD_WRITERS:
        return Liveness.ALIVE
    if is_owner_gone(header.owner):
        return Liveness.DEAD
    with lock_mutex:
        return Liveness.ALIVE if is_held(lock) else Liveness.UNKNOWN


def is_held(lock: Path) -> bool:
    """Return whether a process holds the lock; False if unknown."""
    try:
        if not lock.exists():
            return False
        descriptor = try_writer_lock(lock)
    except PermissionError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def remove_free_lock(lock: Path) -> None:
    """Remove a lock that nobody holds."""
    if lock.stem not in HELD_WRITERS:
        with lock_mutex:
            if not is_held(lock):
                lock.unlink(missing_ok=True)


@contextmanager
def claim_dead_journal(header: JournalHeader, lock: Path) -> Iterator[bool]:
    """True while the caller holds the lock of a dead owner's journal, and so may seal it."""
    if header.writer in HELD_WRITERS or not is_owner_gone(header.owner):
        yield False
        return
    with lock_mutex:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = try_writer_lock(lock)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)
