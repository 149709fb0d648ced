"""The raw store of a receiver: streams as they were sent, durable and never judged. It is a `Store`, and a `Source` too.

An item is stored only where the receiver's position equals the item's (compare and append). All items of one call share a commit
that is on the disk before anything is answered.
"""

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import apsw
from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import DataError
from tasuki.failpoints import reach
from tasuki.journal import Stream, Verdict
from tasuki.records import MAX_ITEM_BYTES, START, Item, Position, Reply, ReplyStatus, unpack_item
from tasuki.store.sql import immediate, one, rows

__all__ = ["RAW_FILE", "SILENT_US", "RawStore"]

log = logging.getLogger("tasuki.store")

SCHEMA = 1
RAW_FILE = "raw.db"
SILENT_US = 60_000_000
"""A heartbeat comes every 30 seconds; one that is 30 seconds late means that something is wrong."""
APPLICATION_ID = 0x7461_7277
TABLES = """
CREATE TABLE IF NOT EXISTS writer (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, run TEXT NOT NULL,
    "offset" INTEGER NOT NULL, crc INTEGER NOT NULL, sealed INTEGER NOT NULL, purged INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS writer_run ON writer (project, run);
CREATE TABLE IF NOT EXISTS item (
    writer TEXT NOT NULL, "offset" INTEGER NOT NULL, crc INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (writer, "offset")
);
"""


RECEIVED = "CREATE TABLE IF NOT EXISTS received (writer TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID"
"""When something of a stream last came, by this machine's clock: an earlier version's file has no such table, and needs none."""


class RawStore:
    """Streams in one SQLite file. Not to be shared by threads."""

    def __init__(self, path: Path | str, *, clock: Clock = SYSTEM) -> None:
        self.clock = clock
        self.db = apsw.Connection(str(path))
        self.db.set_busy_timeout(60_000)
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        if self.db.pragma("user_version") == 0:
            with immediate(self.db):
                self.db.execute(f"{TABLES}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}")
        if self.db.pragma("application_id") != APPLICATION_ID or self.db.pragma("user_version") != SCHEMA:
            raise DataError(f"{path} is not a raw store of schema {SCHEMA}")
        self.db.execute(RECEIVED)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # -- a Store

    def append(self, items: Sequence[Item]) -> list[Reply]:
        """Compare and append, one durable commit for all items; a reply per item, in their order."""
        with immediate(self.db):
            replies = [self.append_one(item) for item in items]
            reach("server.before_commit")
            return replies

    def append_one(self, item: Item) -> Reply:
        """One item, inside the transaction."""
        row = one(self.db, 'SELECT project, run, "offset", crc, sealed, purged FROM writer WHERE id = ?', (item.writer,))
        project, run, offset, crc, sealed, purged = row or (item.project, item.run, *START, 0, 0)
        if (project, run) != (item.project, item.run):
            return refused(item, START, f"writer {item.writer} is of another project, or of another run")
        try:
            data = b"" if item.data is None else unpack_item(item.data)
        except DataError as error:
            return refused(item, Position(offset, crc), error.message)
        here, end = Position(offset, crc), Position(item.offset + len(data), crc32(data, item.crc))
        if purged:
            return reply(item, ReplyStatus.STORED, end, sealed=item.sealed)
        if item.position == here and data and sealed:
            return refused(item, here, f"writer {item.writer} has been sealed at {offset}", sealed=True)
        if item.position == here and (data or item.sealed):
            return self.store(item, data, end, bool(sealed))
        if end == here:
            return self.same(item, here, bool(sealed))
        return reply(item, ReplyStatus.MOVED, here, sealed=bool(sealed), crc_at=self.crc_at(item.writer, item.offset))

    def store(self, item: Item, data: bytes, end: Position, sealed: bool) -> Reply:
        """Keep an item that fits, in one compare-and-append."""
        self.db.execute(
            "INSERT INTO writer VALUES (?, ?, ?, 0, 0, 0, 0) ON CONFLICT DO NOTHING", (item.writer, item.project, item.run)
        )
        self.db.execute(
            'UPDATE writer SET "offset" = ?, crc = ?, sealed = ? WHERE id = ? AND "offset" = ? AND crc = ?',
            (*end, sealed or item.sealed, item.writer, *item.position),
        )
        if data:
            self.db.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (item.writer, *item.position, len(data), item.data))
            self.db.execute("INSERT OR REPLACE INTO received VALUES (?, ?)", (item.writer, self.clock.now_us()))
            reach("server.within_batch")
        return reply(item, ReplyStatus.STORED, end, sealed=sealed or item.sealed)

    def same(self, item: Item, here: Position, sealed: bool) -> Reply:
        """An item that is here already; it may still say that the stream has ended."""
        if item.sealed and not sealed and here != START:
            self.db.execute("UPDATE writer SET sealed = 1 WHERE id = ?", (item.writer,))
        return reply(item, ReplyStatus.DUPLICATE, here, sealed=sealed or item.sealed)

    def positions(self, writers: Collection[str]) -> dict[str, Position]:
        """The position of each writer; (0, 0) for one never heard of."""
        found = {writer: one(self.db, 'SELECT "offset", crc FROM writer WHERE id = ?', (writer,)) for writer in writers}
        return {writer: START if row is None else Position(*row) for writer, row in found.items()}

    def has_run(self, project: str, run: str) -> bool:
        """Whether a run has any stream here, purged ones included."""
        return one(self.db, "SELECT 1 FROM writer WHERE project = ? AND run = ? LIMIT 1", (project, run)) is not None

    def purge(self, project: str, run: str) -> int:
        """Drop the run's streams, leaving tombstones; returns how many."""
        with immediate(self.db):
            writers = rows(self.db, "SELECT id FROM writer WHERE project = ? AND run = ? AND NOT purged", (project, run))
            for (writer,) in writers:
                self.db.execute("DELETE FROM item WHERE writer = ?", (writer,))
                self.db.execute("DELETE FROM received WHERE writer = ?", (writer,))
                self.db.execute("UPDATE writer SET purged = 1 WHERE id = ?", (writer,))
        return len(writers)

    # -- a Source

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known` by writer id."""
        found = rows(self.db, 'SELECT id, project, run, "offset", sealed FROM writer WHERE NOT purged ORDER BY id')
        for writer, project, run, size, sealed in found:
            if writer not in known:
                yield Stream(writer, project, run, size, bool(sealed))

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`; nothing at the end, or where an item is damaged."""
        parts, size = [], 0
        found = self.db.execute(
            'SELECT "offset", data FROM item WHERE writer = ? AND "offset" + size > ? ORDER BY "offset"', (writer, offset)
        )
        for start, data in found:
            try:
                part = unpack_item(data)[max(0, offset - start) :]
            except DataError as error:
                log.error("an item of the raw store is damaged: writer %s, offset %d: %s", writer, start, error.message)
                break
            parts.append(part)
            size += len(part)
            if size >= limit_bytes:
                break
        return b"".join(parts)

    def received(self, project: str) -> list[Stream]:
        """The streams of a project, by writer."""
        statement = 'SELECT id, project, run, "offset", sealed FROM writer WHERE project = ? AND NOT purged ORDER BY id'
        found = rows(self.db, statement, (project,))
        return [Stream(writer, name, run, size, bool(sealed)) for writer, name, run, size, sealed in found]

    def digest(self, writer: str) -> tuple[Position, str]:
        """How far a stream can be read, and the sha256 of its frames up to there."""
        position, hashed = START, hashlib.sha256()
        while data := self.read(writer, position.offset, MAX_ITEM_BYTES):
            hashed.update(data)
            position = Position(position.offset + len(data), crc32(data, position.crc))
        return position, hashed.hexdigest()

    def verdict(self, writer: str) -> Verdict:
        """Sealed is over; an owner is alive or silent by when something last came here, whatever their own clock says."""
        row = one(self.db, "SELECT sealed, time FROM writer LEFT JOIN received ON writer = id WHERE id = ?", (writer,))
        if row is None or row == (0, None):
            return Verdict.UNKNOWN
        sealed, time = row
        if sealed:
            return Verdict.DEAD
        return Verdict.SILENT if self.clock.now_us() - time > SILENT_US else Verdict.ALIVE

    def crc_at(self, writer: str, offset: int) -> int | None:
        """The rolling crc of the bytes before `offset`; None if there are fewer, or it is damaged there."""
        row = one(
            self.db,
            'SELECT "offset", crc, data FROM item WHERE writer = ? AND "offset" <= ? AND "offset" + size >= ?'
            ' ORDER BY "offset" DESC LIMIT 1',
            (writer, offset, offset),
        )
        if row is None:
            return 0 if offset == 0 else None
        start, crc, data = row
        try:
            return int(crc) if start == offset else crc32(unpack_item(data)[: offset - start], crc)
        except DataError:
            return None


def reply(item: Item, status: ReplyStatus, position: Position, *, sealed: bool = False, crc_at: int | None = None) -> Reply:
    """An answer with the receiver's position."""
    return Reply(writer=item.writer, status=status, offset=position.offset, crc=position.crc, sealed=sealed, crc_at=crc_at)


def refused(item: Item, position: Position, hint: str, *, sealed: bool = False) -> Reply:
    """An answer that trying again does not change."""
    return Reply(
        writer=item.writer, status=ReplyStatus.REJECTED, offset=position.offset, crc=position.crc, sealed=sealed, hint=hint
    )
