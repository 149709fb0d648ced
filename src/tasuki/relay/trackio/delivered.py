"""Which rows came through the inbox: trackio moves them from there into a database later, with the same `log_id` or `alert_id`.

It is kept in the syncer's own folder. Where it is lost, what came through the inbox and is now in a database arrives once more.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import apsw

__all__ = ["Delivered"]

TABLE = "CREATE TABLE IF NOT EXISTS delivered (id BLOB PRIMARY KEY, file BLOB NOT NULL) WITHOUT ROWID"


def short(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.sha256(text.encode(errors="replace")).digest()[:16]


class Delivered:
    """Ids, each with the file that it came in. Not to be shared by threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = apsw.Connection(str(path))
        self.db.set_busy_timeout(60_000)
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        self.db.execute(TABLE)
        self.claims: dict[bytes, bytes] = {}
        ((count,),) = self.db.execute("SELECT count(*) FROM (SELECT 1 FROM delivered LIMIT 1)")
        self.is_empty = not count

    def by(self, id: str | None) -> bytes | None:
        """The file that a row came in; None for one that came in none."""
        if id is None or self.is_empty:
            return None
        key = short(id)
        if key in self.claims:
            return self.claims[key]
        found = list(self.db.execute("SELECT file FROM delivered WHERE id = ?", (key,)))
        return bytes(found[0][0]) if found else None

    def claim(self, id: str | None, file: str) -> bool:
        """Whether a row is to come from this file, since it came from no other."""
        if id is None:
            return True
        owner = self.by(id)
        if owner is None:
            self.claims[short(id)] = short(file)
            self.is_empty = False
        return owner in (None, short(file))

    def keep(self, ids: Iterable[str]) -> None:
        """What was claimed has arrived."""
        arrived = [(key, self.claims.pop(key)) for key in map(short, ids) if key in self.claims]
        with self.db:
            self.db.executemany("INSERT INTO delivered VALUES (?, ?) ON CONFLICT DO NOTHING", arrived)

    def close(self) -> None:
        """Close the file."""
        self.db.close()
