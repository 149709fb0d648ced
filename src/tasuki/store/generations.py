"""Generations of the projection: `store.<n>.db` beside a pointer file that says which one is current.

The pointer names one store per schema, so that two versions of tasuki can share a folder: each leaves the other's alone. A store
is never renamed, and a number is never used again; to build anew is to build the next number and then move the pointer.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from tasuki.database.sqlite import write_transaction
from tasuki.errors import JournalError, StoreCorrupt
from tasuki.failpoints import hit_failpoint
from tasuki.file_locks import acquire_file_lock, open_lock_file
from tasuki.records import extract_search_text
from tasuki.store.schema import SCHEMA, TABLES

__all__ = ["LOCK_SECONDS", "Generations", "connect_projection", "generation_number"]

POINTER_FILE = "store"
LOCK_FILE = "store.lock"
APPLICATION_ID = 0x7461_7375
LOCK_SECONDS = 60.0
"""How long another process's lock is waited for."""
LOCK_HINT = "no data is lost: query the server (--remote NAME), or copy the folder to a local disk and use --dir"
STORE_NAME_PATTERN = re.compile(r"store\.(\d+)\.db")


def connect_projection(path: Path | str, lock_seconds: float = LOCK_SECONDS) -> apsw.Connection:
    """Connect to a projection; create its tables if missing.

    Raise StoreCorrupt for another file or schema.

    apsw.BusyError if another process has locked it for so long.
    """
    db = apsw.Connection(str(path))
    db.set_busy_timeout(int(lock_seconds * 1000))
    try:
        db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536")
        if db.pragma("user_version") == 0:
            with write_transaction(db):
                if db.pragma("user_version") == 0:
                    db.execute(f"{TABLES}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}")
        if db.pragma("application_id") != APPLICATION_ID or db.pragma("user_version") != SCHEMA:
            raise StoreCorrupt(f"{path} is not a store of schema {SCHEMA}")
        db.create_scalar_function("words_in", extract_json_search_text, 1, deterministic=True)
        if is_cut_short(db):
            raise StoreCorrupt(f"{path} is cut short")
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError) as error:
        db.close()
        raise StoreCorrupt(f"{path} is damaged: {error}") from error
    except BaseException:
        db.close()
        raise
    return db


def extract_json_search_text(*contents: object) -> str:
    """Return the searchable text of a note."""
    return "\n".join(extract_search_text(msgspec.json.decode(str(content))) for content in contents)


def is_cut_short(db: apsw.Connection) -> bool:
    """Return whether the file ends within a page; SQLite would read the rest as zeros."""
    try:
        return bool(db.filename) and Path(db.filename).stat().st_size % int(db.pragma("page_size")) != 0
    except FileNotFoundError:
        return False


def generation_number(path: Path | None) -> int:
    """Return the generation number in a store's file name; 0 if it has none."""
    match = STORE_NAME_PATTERN.fullmatch(path.name) if path is not None else None
    return int(match[1]) if match else 0


def has_other_schema(path: Path) -> bool:
    """Return whether a file is a sound store of another tasuki version."""
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        return False
    try:
        return bool(db.pragma("application_id") == APPLICATION_ID and db.pragma("user_version") != SCHEMA)
    except apsw.Error:
        return False
    finally:
        db.close()


class Generations:
    """The stores of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_pointer(self) -> dict[str, str]:
        """Return the current file by schema; empty if the pointer is missing or unreadable."""
        try:
            named = msgspec.json.decode((self.folder / POINTER_FILE).read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}
        return {schema: name for schema, name in named.items() if STORE_NAME_PATTERN.fullmatch(name)}

    def current(self) -> Path | None:
        """The current store of this schema, if it is there."""
        name = self.read_pointer().get(str(SCHEMA))
        return self.folder / name if name and (self.folder / name).exists() else None

    def get_or_create_current(self) -> Path:
        """The current store; the first one who asks begins it."""
        path = self.current()
        if path is None:
            with self.hold_build_lock():
                path = self.current() or self.create_current()
        return path

    def replace(self, damaged_path: Path) -> Path:
        """A new, empty store in place of a damaged one, unless somebody has put one there already."""
        with self.hold_build_lock():
            current = self.current()
            return self.create_current() if current in (None, damaged_path) else current

    def create_current(self) -> Path:
        """A new store with empty tables, current from now on. The caller holds the lock."""
        path = self.create_next()
        self.promote(path)
        return path

    def create_next(self) -> Path:
        """A new store with empty tables under a number that was never used. The caller holds the lock."""
        names = [*self.read_pointer().values(), *(entry.name for entry in self.folder.iterdir())]
        numbers = [int(match[1]) for name in names if (match := STORE_NAME_PATTERN.match(name))]
        path = self.folder / f"store.{max(numbers, default=0) + 1}.db"
        connect_projection(path).close()
        return path

    def promote(self, path: Path) -> None:
        """Make a store the current one, and remove the one that was. The caller holds the lock."""
        pointer = self.read_pointer()
        before = pointer.get(str(SCHEMA))
        draft = self.folder / f"{POINTER_FILE}.draft"
        draft.write_bytes(msgspec.json.encode(pointer | {str(SCHEMA): path.name}))
        hit_failpoint("rebuild.before_promote")
        draft.replace(self.folder / POINTER_FILE)
        hit_failpoint("rebuild.after_promote")
        if before and before != path.name:
            self.remove(self.folder / before)

    def remove(self, path: Path) -> None:
        """Delete a store that is not current and not another schema's. Its readers keep their open file."""
        if has_other_schema(path):
            return
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def find_orphans(self) -> list[Path]:
        """Stores that no pointer names: of builders that were killed. The caller holds the lock."""
        named = set(self.read_pointer().values())
        return [path for path in self.folder.iterdir() if STORE_NAME_PATTERN.fullmatch(path.name) and path.name not in named]

    @contextmanager
    def hold_build_lock(self) -> Iterator[None]:
        """Exclude other builders of the folder. Raise JournalError if it cannot be written or locked."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = open_lock_file(self.folder / LOCK_FILE)
        except OSError as error:
            raise JournalError(f"the data folder {self.folder} can't be written: {error.strerror}") from error
        try:
            acquire_file_lock(descriptor, self.folder / LOCK_FILE, wait=True, hint=LOCK_HINT)
            yield
        finally:
            os.close(descriptor)
