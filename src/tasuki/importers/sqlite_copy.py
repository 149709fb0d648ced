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

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import DataError

__all__ = ["DatabaseBusy", "Fingerprint", "fingerprint", "open_copy", "remove", "shows_changes", "take_copy"]

WAL_HEADER_BYTES = 32
TRIES = 40
PAUSE_SECONDS = 0.01
NEW_NS = 60_000_000_000
"""With this much care before a copy counts, in case the volume's clock is not ours."""
TICK_NS = 2_000_000_000
PIECE_BYTES = 1024 * 1024


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


def state_of(path: Path) -> FileState:
    """Return the state of a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return FileState()
    return FileState(found.st_ino, found.st_size, found.st_mtime_ns)


def beside(path: Path, suffix: str) -> Path:
    """Return a file that SQLite keeps beside a database."""
    return path.with_name(path.name + suffix)


def header_of(path: Path) -> bytes:
    """Return the header of a `-wal`; empty if it is missing, empty, or incomplete."""
    try:
        with path.open("rb") as file:
            header = file.read(WAL_HEADER_BYTES)
    except FileNotFoundError:
        return b""
    return header if len(header) == WAL_HEADER_BYTES else b""


def fingerprint(path: Path) -> Fingerprint:
    """Return a database's state. A commit to the `-wal` does not change the database's own time stamp."""
    wal = beside(path, "-wal")
    return Fingerprint(state_of(path), state_of(wal), header_of(wal), state_of(beside(path, "-journal")))


def take_copy(path: Path, target: Path, *, clock: Clock = SYSTEM) -> Fingerprint:
    """Copy a database, as one of its commits left it, to `target`; return the state of the copy.

    Busy if that can't be, OSError if a file can't be read.
    """
    for attempt in range(TRIES):
        if attempt:
            clock.sleep(PAUSE_SECONDS)
        before = fingerprint(path)
        if copied(path, target, before, clock):
            return before
    remove(target)
    raise DatabaseBusy(
        f"{path} was being written to each of the {TRIES} times that it was copied", hint="the next round tries again"
    )


def copied(path: Path, target: Path, before: Fingerprint, clock: Clock) -> bool:
    """Copy once; return whether nothing happened that could have torn the copy."""
    remove(target)
    try:
        shutil.copyfile(path, target)
        for suffix, state in (("-wal", before.wal), ("-journal", before.journal)):
            if state.size:
                shutil.copyfile(beside(path, suffix), beside(target, suffix))
    except FileNotFoundError:
        if state_of(path) == FileState():
            raise
        return False
    after = fingerprint(path)
    if before.wal_header or after.wal_header:
        return before.wal_header == after.wal_header == header_of(beside(target, "-wal"))
    same = (before.db, before.journal) == (after.db, after.journal)
    return same and (is_old(after.db, clock) or (same_bytes(path, target) and fingerprint(path) == after))


def shows_changes(state: Fingerprint, clock: Clock) -> bool:
    """Return whether the next commit will be noticed.

    Without a `-wal`, one within a tick of the file system's clock may not be.
    """
    return bool(state.wal_header) or is_old(state.db, clock, TICK_NS)


def is_old(state: FileState, clock: Clock, age_ns: int = NEW_NS) -> bool:
    """Return whether a file is so old that another change would have another time stamp."""
    return 0 <= state.mtime_ns < clock.now_us() * 1000 - age_ns


def same_bytes(one: Path, other: Path) -> bool:
    """Return whether two files are equal."""
    with one.open("rb") as left, other.open("rb") as right:
        while piece := left.read(PIECE_BYTES):
            if right.read(PIECE_BYTES) != piece:
                return False
        return not right.read(1)


def remove(target: Path) -> None:
    """Remove a copy and its SQLite files."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(target, suffix).unlink(missing_ok=True)


def open_copy(target: Path, shown: Path) -> apsw.Connection:
    """Open a private copy after an integrity check.

    Raise DataError, naming the original, if it is damaged.
    """
    try:
        db = apsw.Connection(str(target))
    except apsw.Error as error:
        raise DataError(f"{shown} can't be opened: {error}") from error
    try:
        (verdict,) = next(iter(db.execute("PRAGMA quick_check(1)")))
    except apsw.Error as error:
        db.close()
        raise DataError(f"{shown} is damaged: {error}", hint="look at a copy of it: sqlite3 COPY .recover") from error
    if verdict != "ok":
        db.close()
        raise DataError(f"{shown} is damaged: {' '.join(str(verdict).split())}", hint="look at a copy of it: sqlite3 COPY .recover")
    return db
