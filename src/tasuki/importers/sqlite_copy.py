"""A private copy of a SQLite database that another host may be writing to, made without opening it.

Opening would take locks, and change `-shm`. So files are copied: the database first, then its `-wal`, never its `-shm`. What was
checkpointed into the database meanwhile is still in the `-wal` that is copied after it, unless that has been started anew: so its
header (https://sqlite.org/fileformat2.html#the_write_ahead_log) must be the same before, in the copy and after. Without a `-wal`
the database itself must not have changed, and is read twice if it is so new that its time stamp may not show a change.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import DataError

__all__ = ["DatabaseBusy", "Fingerprint", "copy_database", "is_next_change_visible", "open_copy", "read_fingerprint", "remove_copy"]

WAL_HEADER_BYTES = 32
MAX_TRIES = 40
RETRY_SECONDS = 0.01
MIN_AGE_NS = 60_000_000_000
"""With this much care before a copy counts, in case the volume's clock is not ours."""
CLOCK_TICK_NS = 2_000_000_000
READ_BYTES = 1024 * 1024


class DatabaseBusy(DataError):
    """The database changed during every copy; the next round may succeed."""


class FileState(NamedTuple):
    """Identity, size, and modification time of a file; empty if it does not exist."""

    inode: int = 0
    size: int = 0
    mtime_ns: int = 0


class Fingerprint(NamedTuple):
    """State of a database: its file, its `-wal`, and the header of that."""

    db: FileState
    wal: FileState
    wal_header: bytes
    journal: FileState


def read_file_state(path: Path) -> FileState:
    """Return the state of a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return FileState()
    return FileState(found.st_ino, found.st_size, found.st_mtime_ns)


def sibling_path(path: Path, suffix: str) -> Path:
    """Return a file that SQLite keeps beside a database."""
    return path.with_name(path.name + suffix)


def read_wal_header(path: Path) -> bytes:
    """Return the header of a `-wal`; empty if it is missing, empty, or incomplete."""
    try:
        with path.open("rb") as file:
            header = file.read(WAL_HEADER_BYTES)
    except FileNotFoundError:
        return b""
    return header if len(header) == WAL_HEADER_BYTES else b""


def read_fingerprint(path: Path) -> Fingerprint:
    """Return a database's state. A commit to the `-wal` does not change the database's own time stamp."""
    wal = sibling_path(path, "-wal")
    return Fingerprint(
        read_file_state(path), read_file_state(wal), read_wal_header(wal), read_file_state(sibling_path(path, "-journal"))
    )


def copy_database(path: Path, target: Path, *, clock: Clock = SYSTEM_CLOCK) -> Fingerprint:
    """Copy a database, as one of its commits left it, to `target`; return the state of the copy.

    Busy if that can't be, OSError if a file can't be read.
    """
    for attempt in range(MAX_TRIES):
        if attempt:
            clock.sleep(RETRY_SECONDS)
        before = read_fingerprint(path)
        if try_copy(path, target, before, clock):
            return before
    remove_copy(target)
    raise DatabaseBusy(
        f"{path} was being written to each of the {MAX_TRIES} times that it was copied", hint="the next round tries again"
    )


def try_copy(path: Path, target: Path, before: Fingerprint, clock: Clock) -> bool:
    """Copy once; return whether nothing happened that could have torn the copy."""
    remove_copy(target)
    try:
        shutil.copyfile(path, target)
        for suffix, state in (("-wal", before.wal), ("-journal", before.journal)):
            if state.size:
                shutil.copyfile(sibling_path(path, suffix), sibling_path(target, suffix))
    except FileNotFoundError:
        if read_file_state(path) == FileState():
            raise
        return False
    after = read_fingerprint(path)
    if before.wal_header or after.wal_header:
        return before.wal_header == after.wal_header == read_wal_header(sibling_path(target, "-wal"))
    same = (before.db, before.journal) == (after.db, after.journal)
    return same and (is_old(after.db, clock) or (has_same_bytes(path, target) and read_fingerprint(path) == after))


def is_next_change_visible(state: Fingerprint, clock: Clock) -> bool:
    """Return whether the next commit will be noticed.

    Without a `-wal`, one within a tick of the file system's clock may not be.
    """
    return bool(state.wal_header) or is_old(state.db, clock, CLOCK_TICK_NS)


def is_old(state: FileState, clock: Clock, age_ns: int = MIN_AGE_NS) -> bool:
    """Return whether a file is so old that another change would have another time stamp."""
    return 0 <= state.mtime_ns < clock.now_us() * 1000 - age_ns


def has_same_bytes(one: Path, other: Path) -> bool:
    """Return whether two files are equal."""
    with one.open("rb") as left, other.open("rb") as right:
        while piece := left.read(READ_BYTES):
            if right.read(READ_BYTES) != piece:
                return False
        return not right.read(1)


def remove_copy(target: Path) -> None:
    """Remove a copy and its SQLite files."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        sibling_path(target, suffix).unlink(missing_ok=True)


def open_copy(target: Path, original: Path) -> apsw.Connection:
    """Open a private copy after an integrity check.

    Raise DataError, naming the original, if it is damaged.
    """
    try:
        db = apsw.Connection(str(target))
    except apsw.Error as error:
        raise DataError(f"{original} can't be opened: {error}") from error
    try:
        (verdict,) = next(iter(db.execute("PRAGMA quick_check(1)")))
    except apsw.Error as error:
        db.close()
        raise DataError(f"{original} is damaged: {error}", hint="look at a copy of it: sqlite3 COPY .recover") from error
    if verdict != "ok":
        db.close()
        raise DataError(
            f"{original} is damaged: {' '.join(str(verdict).split())}", hint="look at a copy of it: sqlite3 COPY .recover"
        )
    return db
