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
    """The database was being written to, each time that it was copied: the next round may have more luck."""


class FileState(NamedTuple):
    """A file as it was: who it is, how long, when it was changed. Nothing of it if it was not there."""

    inode: int = 0
    size: int = 0
    mtime_ns: int = 0


class Fingerprint(NamedTuple):
    """What tells one state of a database from another: its file, and its `-wal` with that one's header."""

    db: FileState
    wal: FileState
    wal_header: bytes
    journal: FileState


def state_of(path: Path) -> FileState:
    """A file's."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return FileState()
    return FileState(found.st_ino, found.st_size, found.st_mtime_ns)


def beside(path: Path, suffix: str) -> Path:
    """One of the files that SQLite keeps beside a database."""
    return path.with_name(path.name + suffix)


def header_of(path: Path) -> bytes:
    """A `-wal`'s header; nothing of one that is not there, or empty, or still being begun."""
    try:
        with path.open("rb") as file:
            header = file.read(WAL_HEADER_BYTES)
    except FileNotFoundError:
        return b""
    return header if len(header) == WAL_HEADER_BYTES else b""


def fingerprint(path: Path) -> Fingerprint:
    """A database's state now. A commit to the `-wal` leaves the database's own time stamp as it was."""
    wal = beside(path, "-wal")
    return Fingerprint(state_of(path), state_of(wal), header_of(wal), state_of(beside(path, "-journal")))


def take_copy(path: Path, target: Path, *, clock: Clock = SYSTEM) -> Fingerprint:
    """Copy a database, as one of its commits left it, to `target`; returns the state from which on it may have changed.

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
    """Copy once; whether nothing happened meanwhile that could have torn the copy."""
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
    """Whether the next commit will show. Without a `-wal`, one that comes within a tick of the file system's clock may not."""
    return bool(state.wal_header) or is_old(state.db, clock, TICK_NS)


def is_old(state: FileState, clock: Clock, age_ns: int = NEW_NS) -> bool:
    """Whether a file was changed so long ago that another change could not have the same time stamp."""
    return 0 <= state.mtime_ns < clock.now_us() * 1000 - age_ns


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files hold the same."""
    with one.open("rb") as left, other.open("rb") as right:
        while piece := left.read(PIECE_BYTES):
            if right.read(PIECE_BYTES) != piece:
                return False
        return not right.read(1)


def remove(target: Path) -> None:
    """Remove a copy and what SQLite has put beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(target, suffix).unlink(missing_ok=True)


def open_copy(target: Path, shown: Path) -> apsw.Connection:
    """Open a private copy, which is sound. DataError, which names the original, if it is not."""
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
