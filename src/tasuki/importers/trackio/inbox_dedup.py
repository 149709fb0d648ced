"""Ids of rows that came through the inbox: trackio later moves them to a database, with the same id.

It is kept in the syncer's own folder. Where it is lost, what came through the inbox and is now in a database arrives once more.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import apsw

__all__ = ["SeenIds"]

CREATE_TABLE = "CREATE TABLE IF NOT EXISTS delivered (id BLOB PRIMARY KEY, file BLOB NOT NULL) WITHOUT ROWID"


def hash_id(text: str) -> bytes:
    """Return a 16-byte digest of a text."""
    return hashlib.sha256(text.encode(errors="replace")).digest()[:16]


class SeenIds:
    """Row ids, each with the file that it came in. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending_claims: dict[bytes, bytes] = {}
        self.db = self.open_database() if path.exists() else None

    def open_database(self) -> apsw.Connection:
        """Open the file; create it if missing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = apsw.Connection(str(self.path))
        db.set_busy_timeout(60_000)
        db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        db.execute(CREATE_TABLE)
        return db

    def find_file(self, id: str | None) -> bytes | None:
        """Return the file that a row came in; None if it came in none."""
        if id is None or (self.db is None and not self.pending_claims):
            return None
        key = hash_id(id)
        if key in self.pending_claims or self.db is None:
            return self.pending_claims.get(key)
        found = list(self.db.execute("SELECT file FROM delivered WHERE id = ?", (key,)))
        return bytes(found[0][0]) if found else None

    def claim(self, id: str | None, file: str) -> bool:
        """Return whether a row is to be taken from this file: it came in no other."""
        if id is None:
            return True
        owner = self.find_file(id)
        if owner is None:
            self.pending_claims[hash_id(id)] = hash_id(file)
        return owner in (None, hash_id(file))

    def record_delivered(self, ids: Iterable[str]) -> None:
        """Record that the claimed rows were delivered."""
        arrived = [(key, self.pending_claims.pop(key)) for key in map(hash_id, ids) if key in self.pending_claims]
        if not arrived:
            return
        self.db = self.db or self.open_database()
        with self.db:
            self.db.executemany("INSERT INTO delivered VALUES (?, ?) ON CONFLICT DO NOTHING", arrived)

    def close(self) -> None:
        """Close the file."""
        if self.db is not None:
            self.db.close()
