"""The raw store of a receiver: streams as they were sent, durable and never judged.

A `StreamStore` and a `Source`.

An item is stored only where the receiver's position equals the item's (compare and append). All items of one call share a commit
that is on the disk before anything is answered. Once a stream has ended, its many small items are made into few large ones, which
take two thirds of the room.
"""

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.database.sqlite import fetch_all, fetch_one, write_transaction
from tasuki.errors import DataError
from tasuki.failpoints import hit_failpoint
from tasuki.journal import Liveness, Stream
from tasuki.records import MAX_ITEM_BYTES, START, Item, ItemReply, Position, ReplyStatus, decompress_item, pack_item, unpack_item
from tasuki.store.queries.statements import SILENT_AFTER_US

__all__ = ["RAW_FILE", "RawStore"]

log = logging.getLogger("tasuki.store")

SCHEMA = 1
RAW_FILE = "raw.db"
APPLICATION_ID = 0x7461_7277
TABLES = """
CREATE TABLE IF NOT EXISTS writer (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, run TEXT NOT NULL,
    "offset" INTEGER NOT NULL, crc INTEGER NOT NULL,
    sealed INTEGER NOT NULL,  -- 1 when the stream has ended, 2 when it is packed, too
    purged INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS writer_run ON writer (project, run);
CREATE TABLE IF NOT EXISTS item (
    writer TEXT NOT NULL, "offset" INTEGER NOT NULL, crc INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (writer, "offset")
);
"""
CREATE_RECEIVED_TABLE = "CREATE TABLE IF NOT EXISTS received (writer TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID"
"""When something of a stream last came, by this machine's clock: an earlier version's file has no such table, and needs none."""
SELECT_ITEMS_FROM_OFFSET = """
SELECT "offset", data FROM item WHERE writer = ?1 AND "offset" + size > ?2
    AND "offset" >= (SELECT coalesce(max("offset"), 0) FROM item WHERE writer = ?1 AND "offset" <= ?2)
ORDER BY "offset"
"""
CREATE_ENDED_INDEX = "CREATE INDEX IF NOT EXISTS writer_ended ON writer (id) WHERE sealed = 1 AND NOT purged"
"""Streams that are to be packed. An earlier version's file has no such index, and needs none."""


class StreamOffset(NamedTuple):
    """An offset in a stream."""

    writer: str
    offset: int


NO_STREAM_OFFSET = StreamOffset("", 0)


class StoredItem(NamedTuple):
    """An item as it is stored: where its frames begin, the rolling crc there, how many bytes they are."""

    offset: int
    crc: int
    size: int


MAX_PACKED_BYTES = 1024 * 1024
VACUUM_PAGES = 1000


class RawStore:
    """Streams in one SQLite file. Not thread-safe.

    Items are packed until one holds `packed_bytes` of frames.
    """

    def __init__(self, path: Path | str, *, max_packed_bytes: int = MAX_PACKED_BYTES, clock: Clock = SYSTEM_CLOCK) -> None:
        self.max_packed_bytes = max_packed_bytes
        self.clock = clock
        self.db = apsw.Connection(str(path))
        self.db.set_busy_timeout(60_000)
        self.pack_cursor = NO_STREAM_OFFSET
        self.db.execute("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        if self.db.pragma("user_version") == 0:
            with write_transaction(self.db):
                self.db.execute(f"{TABLES}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}")
        if self.db.pragma("application_id") != APPLICATION_ID or self.db.pragma("user_version") != SCHEMA:
            raise DataError(f"{path} is not a raw store of schema {SCHEMA}")
        self.db.execute(f"{CREATE_RECEIVED_TABLE}; {CREATE_ENDED_INDEX}")

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # -- a Store

    def append(self, items: Sequence[Item]) -> list[ItemReply]:
        """Compare and append, one durable commit for all items; a reply per item, in their order."""
        with write_transaction(self.db):
            replies = [self.append_item(item) for item in items]
            hit_failpoint("server.before_commit")
            return replies

    def append_item(self, item: Item) -> ItemReply:
        """One item, inside the transaction."""
        row = fetch_one(self.db, 'SELECT project, run, "offset", crc, sealed, purged FROM writer WHERE id = ?', (item.writer,))
        project, run, offset, crc, sealed, purged = row or (item.project, item.run, *START, 0, 0)
        if (project, run) != (item.project, item.run):
            return make_rejection(item, START, f"writer {item.writer} is of another project, or of another run")
        try:
            data = b"" if item.data is None else unpack_item(item.data)
        except DataError as error:
            return make_rejection(item, Position(offset, crc), error.message)
        here, end = Position(offset, crc), Position(item.offset + len(data), crc32(data, item.crc))
        if purged:
            return make_reply(item, ReplyStatus.STORED, end, sealed=item.sealed)
        if item.position == here and data and sealed:
            return make_rejection(item, here, f"writer {item.writer} has been sealed at {offset}", sealed=True)
        if item.position == here and (data or item.sealed):
            return self.insert_item(item, data, end, bool(sealed))
        if end == here:
            return self.acknowledge_duplicate(item, here, bool(sealed))
        return make_reply(item, ReplyStatus.MOVED, here, sealed=bool(sealed), crc_at=self.crc_at(item.writer, item.offset))

    def insert_item(self, item: Item, data: bytes, end: Position, is_sealed: bool) -> ItemReply:
        """Keep an item that fits, in one compare-and-append."""
        self.db.execute(
            "INSERT INTO writer VALUES (?, ?, ?, 0, 0, 0, 0) ON CONFLICT DO NOTHING", (item.writer, item.project, item.run)
        )
        self.db.execute(
            'UPDATE writer SET "offset" = ?, crc = ?, sealed = ? WHERE id = ? AND "offset" = ? AND crc = ?',
            (*end, is_sealed or item.sealed, item.writer, *item.position),
        )
        if data:
            self.db.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (item.writer, *item.position, len(data), item.data))
            self.db.execute("INSERT OR REPLACE INTO received VALUES (?, ?)", (item.writer, self.clock.now_us()))
            hit_failpoint("server.within_batch")
        return make_reply(item, ReplyStatus.STORED, end, sealed=is_sealed or item.sealed)

    def acknowledge_duplicate(self, item: Item, position: Position, is_sealed: bool) -> ItemReply:
        """An item that is here already; it may still say that the stream has ended."""
        if item.sealed and not is_sealed and position != START:
            self.db.execute("UPDATE writer SET sealed = 1 WHERE id = ?", (item.writer,))
        return make_reply(item, ReplyStatus.DUPLICATE, position, sealed=is_sealed or item.sealed)

    def positions(self, writers: Collection[str]) -> dict[str, Position]:
        """The position of each writer; (0, 0) for one never heard of."""
        found = {writer: fetch_one(self.db, 'SELECT "offset", crc FROM writer WHERE id = ?', (writer,)) for writer in writers}
        return {writer: START if row is None else Position(*row) for writer, row in found.items()}

    def has_run(self, project: str, run: str) -> bool:
        """Return whether a run has any stream here, purged ones included."""
        return fetch_one(self.db, "SELECT 1 FROM writer WHERE project = ? AND run = ? LIMIT 1", (project, run)) is not None

    def purge(self, project: str, run: str) -> int:
        """Drop the run's streams, leaving tombstones; returns how many."""
        with write_transaction(self.db):
            writers = fetch_all(self.db, "SELECT id FROM writer WHERE project = ? AND run = ? AND NOT purged", (project, run))
            for (writer,) in writers:
                self.db.execute("DELETE FROM item WHERE writer = ?", (writer,))
                self.db.execute("DELETE FROM received WHERE writer = ?", (writer,))
                self.db.execute("UPDATE writer SET purged = 1 WHERE id = ?", (writer,))
        return len(writers)

    # -- packing

    def pack(self) -> bool:
        """Pack small items of an ended stream into one, in its own commit. Return False if none is left."""
        writer = self.choose_stream_to_pack()
        if writer is None:
            return False
        with write_transaction(self.db):
            small = self.find_small_items(writer, self.pack_cursor.offset)
            if len(small) > 1:
                self.merge_items(writer, small)
            if small:
                self.pack_cursor = StreamOffset(writer, small[-1].offset + small[-1].size)
            else:
                self.db.execute("UPDATE writer SET sealed = 2 WHERE id = ?", (writer,))
                self.pack_cursor = NO_STREAM_OFFSET
        self.db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        return True

    def choose_stream_to_pack(self) -> str | None:
        """The stream that is being packed, else another one that has ended."""
        ended = "SELECT id FROM writer WHERE sealed = 1 AND NOT purged"
        if fetch_one(self.db, f"{ended} AND id = ?", (self.pack_cursor.writer,)) is None:
            row = fetch_one(self.db, f"{ended} LIMIT 1")
            self.pack_cursor = StreamOffset(row[0], 0) if row else NO_STREAM_OFFSET
        return self.pack_cursor.writer or None

    def find_small_items(self, writer: str, start: int) -> list["StoredItem"]:
        """The next items that fit into one; none at the end."""
        found: list[StoredItem] = []
        size = 0
        behind = 'SELECT "offset", crc, size FROM item WHERE writer = ? AND "offset" >= ? ORDER BY "offset"'
        for row in self.db.execute(behind, (writer, start)):
            item = StoredItem(*row)
            size += item.size
            if found and size > self.max_packed_bytes:
                break
            found.append(item)
        return found

    def merge_items(self, writer: str, items: Sequence["StoredItem"]) -> None:
        """Replace several items by one. Keep damaged ones: readable frames may follow the damage."""
        first, end = items[0], items[-1].offset + items[-1].size
        data = self.read(writer, first.offset, end - first.offset)
        if len(data) != end - first.offset:
            return
        self.db.execute('DELETE FROM item WHERE writer = ? AND "offset" >= ? AND "offset" < ?', (writer, first.offset, end))
        self.db.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (writer, first.offset, first.crc, len(data), pack_item(data)))
        hit_failpoint("server.while_packing")

    # -- a Source

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known` by writer id."""
        found = fetch_all(self.db, 'SELECT id, project, run, "offset", sealed FROM writer WHERE NOT purged ORDER BY id')
        for writer, project, run, size, sealed in found:
            if writer not in exclude:
                yield Stream(writer, project, run, size, bool(sealed))

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`; nothing at the end, or where an item is damaged."""
        parts, size = [], 0
        found = self.db.execute(SELECT_ITEMS_FROM_OFFSET, (writer, offset))
        for start, data in found:
            try:
                part = decompress_item(data)[max(0, offset - start) :]
            except DataError as error:
                log.error("an item of the raw store is damaged: writer %s, offset %d: %s", writer, start, error.message)
                break
            parts.append(part)
            size += len(part)
            if size >= limit_bytes:
                break
        return b"".join(parts)

    def project_streams(self, project: str) -> list[Stream]:
        """The streams of a project, by writer."""
        statement = 'SELECT id, project, run, "offset", sealed FROM writer WHERE project = ? AND NOT purged ORDER BY id'
        found = fetch_all(self.db, statement, (project,))
        return [Stream(writer, name, run, size, bool(sealed)) for writer, name, run, size, sealed in found]

    def compute_digest(self, writer: str) -> tuple[Position, str]:
        """Return how far a stream is readable, and the sha256 of those frames."""
        position, hashed = START, hashlib.sha256()
        while data := self.read(writer, position.offset, MAX_ITEM_BYTES):
            hashed.update(data)
            position = Position(position.offset + len(data), crc32(data, position.crc))
        return position, hashed.hexdigest()

    def check_liveness(self, writer: str) -> Liveness:
        """Judge an owner: over if sealed, else alive or silent by the arrival time of its last bytes."""
        row = fetch_one(self.db, "SELECT sealed, time FROM writer LEFT JOIN received ON writer = id WHERE id = ?", (writer,))
        if row is None or row == (0, None):
            return Liveness.UNKNOWN
        sealed, time = row
        if sealed:
            return Liveness.DEAD
        return Liveness.SILENT if self.clock.now_us() - time > SILENT_AFTER_US else Liveness.ALIVE

    def crc_at(self, writer: str, offset: int) -> int | None:
        """The rolling crc of the bytes before `offset`; None if there are fewer, or it is damaged there."""
        row = fetch_one(
            self.db,
            'SELECT "offset", crc, data FROM item WHERE writer = ? AND "offset" <= ? AND "offset" + size >= ?'
            ' ORDER BY "offset" DESC LIMIT 1',
            (writer, offset, offset),
        )
        if row is None:
            return 0 if offset == 0 else None
        start, crc, data = row
        try:
            return int(crc) if start == offset else crc32(decompress_item(data)[: offset - start], crc)
        except DataError:
            return None


def make_reply(
    item: Item, status: ReplyStatus, position: Position, *, sealed: bool = False, crc_at: int | None = None
) -> ItemReply:
    """An answer with the receiver's position."""
    return ItemReply(writer=item.writer, status=status, offset=position.offset, crc=position.crc, sealed=sealed, crc_at=crc_at)


def make_rejection(item: Item, position: Position, hint: str, *, sealed: bool = False) -> ItemReply:
    """An answer that trying again does not change."""
    return ItemReply(
        writer=item.writer, status=ReplyStatus.REJECTED, offset=position.offset, crc=position.crc, sealed=sealed, hint=hint
    )
