"""Advisory locks on files, with one error where the file system does not support them.

A record lock (`fcntl.lockf`) belongs to a process: a fork does not inherit it, and closing any descriptor of the file releases
it. A file lock (`fcntl.flock`) belongs to an open file: a fork shares it, and two opens in one process exclude each other. The
two kinds do not exclude each other, so a lock file always has to be locked with the same kind.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from tasuki.errors import LocksUnsupported

__all__ = ["acquire_file_lock", "acquire_record_lock", "open_lock_file", "try_file_lock", "try_record_lock"]

UNSUPPORTED_ERRORS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of a file system without locks: NFS without its lock daemon, Lustre mounted without `flock`, some FUSE file systems."""
LOCK_CONFLICT_ERRORS = frozenset({errno.EACCES, errno.EAGAIN})
HINT = "mount the file system with locks (Lustre: -o flock), or move the folder to a local disk"


def open_lock_file(path: Path) -> int:
    """Open a lock file, created if missing, without locking it. Closing the descriptor releases its locks."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def try_record_lock(path: Path) -> int | None:
    """Return a descriptor that holds a lock file's record lock, or None if another process holds it."""
    return try_lock(path, acquire_record_lock)


def try_file_lock(path: Path) -> int | None:
    """Return a descriptor that holds a lock file's file lock, or None if another open file holds it."""
    return try_lock(path, acquire_file_lock)


def try_lock(path: Path, acquire: Callable[[int, Path], bool]) -> int | None:
    """Open and lock a lock file; close it again if it cannot be locked."""
    descriptor = open_lock_file(path)
    try:
        is_ours = acquire(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    if is_ours:
        return descriptor
    os.close(descriptor)
    return None


def acquire_record_lock(descriptor: int, path: Path) -> bool:
    """Take the record lock of an open file. Return whether no other process holds it.

    Raise LocksUnsupported if the file system has no locks; `path` is for the message.
    """
    return acquire_lock(fcntl.lockf, descriptor, path)


def acquire_file_lock(descriptor: int, path: Path, *, wait: bool = False, hint: str = HINT) -> bool:
    """Take the file lock of an open file or folder. Return whether no other open file holds it.

    `wait`: block until it is free. Raise LocksUnsupported if the file system has no locks; `path` and `hint` are for the message.
    """
    return acquire_lock(fcntl.flock, descriptor, path, wait=wait, hint=hint)


def acquire_lock(lock: Callable[[int, int], object], descriptor: int, path: Path, *, wait: bool = False, hint: str = HINT) -> bool:
    """Take an exclusive lock with a function of `fcntl`, and tell apart the reasons for a failure."""
    try:
        lock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in LOCK_CONFLICT_ERRORS:
            return False
        if error.errno in UNSUPPORTED_ERRORS:
            message = f"cannot lock {path}: the file system does not support locks ({error.strerror})"
            raise LocksUnsupported(message, hint=hint) from error
        raise
    return True
