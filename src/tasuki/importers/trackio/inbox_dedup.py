"""Ids of rows that came through the inbox: trackio later moves them to a database, with the same id.

It is kept in the syncer's own folder. Where it is lost, what came through the inbox and is now in a database arrives once more.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import apsw

__all__ = ["SeenIds"]

TABLE = "CREATE TABLE IF NOT EXISTS delivered (id BLOB PRIMARY KEY, file BLOB NOT NULL) WITHOUT ROWID"


def short(text: str) -> bytes:
    """Return a 16-byte digest of a text."""
    return hashlib.sha256(text.encode(errors="replace")).digest()[:16]


class SeenIds:
    """Row ids, each with the file that it came in. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.claims: dict[bytes, bytes] = {}
        self.db = self.connected() if path.exists() else None

    def connected(self) -> apsw.Connection:
        """Open the file; create it if missing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = apsw.Connection(str(self.path))
        db.set_busy_timeout(60_000)
        db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        db.execute(TABLE)
        return db

    def by(self, id: str | None) -> bytes | None:
        """Return the file that a row came in; None if it came in none."""
        if id is None or (self.db is None and not self.claims):
            return None
        key = short(id)
        if key in self.claims or self.db is None:
            return self.claims.get(key)
        found = list(self.db.execute("SELECT file FROM delivered WHERE id = ?", (key,)))
        return bytes(found[0][0]) if found else None

    def claim(self, id: str | None, file: str) -> bool:
        """Return whether a row is to be taken from this file: it came in no other."""
        if id is None:
            return True
        owner = self.by(id)
        if owner is None:
            self.claims[short(id)] = short(file)
        return owner in (None, short(file))

    def keep(self, ids: Iterable[str]) -> None:
        """Record that the claimed rows were delivered."""
        arrived = [(key, self.claims.pop(key)) for key in map(short, ids) if key in self.claims]
        if not arrived:
            return
        self.db = self.db or self.connected()
        with self.db:
            self.db.executemany("INSERT INTO delivered VALUES (?, ?) ON CONFLICT DO NOTHING", arrived)

    def close(self) -> None:
        """Close the file."""
        if self.db is not None:
            self.db.close()
