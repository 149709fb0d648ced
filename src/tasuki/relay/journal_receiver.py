"""A data folder as a receiver: imported streams become journals, by compare and append as on a server.

Such a journal has no owner: whoever imports from the same place again goes on with it, one at a time, and nobody else seals it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import Conflict
from tasuki.journal import JOURNAL_SUFFIX, JournalFolder, JournalHeader, open_journal, try_writer_lock, writer_lock_path
from tasuki.records import START, Item, ItemReply, Position, ReplicateResponse, ReplyStatus, unpack_item

__all__ = ["JournalReceiver"]

BOOT_ID = "journal"
MAX_TRIES = 500
RETRY_SECONDS = 0.01


class JournalReceiver:
    """The journals of a folder. Not thread-safe."""

    def __init__(self, folder: JournalFolder, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.folder = folder
        self.clock = clock
        self.known_ends: dict[str, tuple[int, Position]] = {}
        """By writer: how long the file was, and where its frames ended."""

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Append each item that starts where its journal ends."""
        return ReplicateResponse(items=[self.apply_item(item) for item in items], boot_id=BOOT_ID)

    def apply_item(self, item: Item) -> ItemReply:
        """Append one item."""
        path = self.folder.project_folder(item.project) / f"{item.writer}{JOURNAL_SUFFIX}"
        with self.hold_lock(item):
            here = self.find_end(path, item.writer)
            data = b"" if item.data is None else unpack_item(item.data)
            end = Position(item.offset + len(data), crc32(data, item.crc))
            if item.position == here and data:
                self.append_frames(path, item, data, end)
                return build_reply(item, ReplyStatus.STORED, end)
            if end == here:
                return build_reply(item, ReplyStatus.DUPLICATE, here)
            return build_reply(
                item, ReplyStatus.MOVED, here, read_crc_at(path, item.offset) if item.offset <= here.offset else None
            )

    @contextmanager
    def hold_lock(self, item: Item) -> Iterator[None]:
        """Hold the journal's lock. Raise Conflict if another process keeps it."""
        lock = writer_lock_path(self.folder.lock_folder(item.project), item.writer)
        lock.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(MAX_TRIES):
            if (descriptor := try_writer_lock(lock)) is not None:
                break
            self.clock.sleep(RETRY_SECONDS)
        else:
            raise Conflict(f"another process writes to the journal of {item.project!r}", hint="does another import run?")
        try:
            yield
        finally:
            os.close(descriptor)

    def find_end(self, path: Path, writer: str) -> Position:
        """Return the journal's end, from memory if the file's length is unchanged."""
        if not path.exists():
            return START
        size, end = self.known_ends.get(writer, (-1, START))
        if path.stat().st_size != size:
            with open_journal(path) as view:
                end = view.find_end()
        return end

    def append_frames(self, path: Path, item: Item, data: bytes, end: Position) -> None:
        """Append frames after the last whole one; cut off a torn frame of a killed process first."""
        if not path.exists():
            header = JournalHeader(writer=item.writer, project=item.project, run=item.run, created=self.clock.now_us())
            draft = path.with_suffix(".draft")
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(header.encode())
            draft.rename(path)
        with open_journal(path) as view:
            body = view.body_offset
        with path.open("r+b") as file:
            file.truncate(body + item.offset)
            file.seek(body + item.offset)
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
        self.known_ends[item.writer] = body + end.offset, end


def read_crc_at(path: Path, offset: int) -> int | None:
    """Return the rolling crc of a journal before an offset."""
    if offset == 0:
        return 0
    with open_journal(path) as view:
        return view.crc_at(offset)


def build_reply(item: Item, status: ReplyStatus, position: Position, crc: int | None = None) -> ItemReply:
    """Build the reply: the journal's position now."""
    return ItemReply(writer=item.writer, status=status, offset=position.offset, crc=position.crc, sealed=item.sealed, crc_at=crc)
