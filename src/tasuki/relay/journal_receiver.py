"""A data folder as a receiver: imported streams become journals, by compare and append as on a server.

Such a journal has no owner: whoever imports from the same place again goes on with it, one at a time, and nobody else seals it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import Conflict
from tasuki.journal import SUFFIX, JournalFolder, JournalHeader, lock_file, open_view, take_lock
from tasuki.records import START, Item, ItemReply, Position, ReplicateResponse, ReplyStatus, unpack_item

__all__ = ["JournalReceiver"]

BOOT_ID = "journal"
TRIES = 500
PAUSE_SECONDS = 0.01


class JournalReceiver:
    """The journals of a folder. Not thread-safe."""

    def __init__(self, folder: JournalFolder, *, clock: Clock = SYSTEM) -> None:
        self.folder = folder
        self.clock = clock
        self.ends: dict[str, tuple[int, Position]] = {}
        """By writer: how long the file was, and where its frames ended."""

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Append each item that starts where its journal ends."""
        return ReplicateResponse(items=[self.take(item) for item in items], boot_id=BOOT_ID)

    def take(self, item: Item) -> ItemReply:
        """Append one item."""
        path = self.folder.project_folder(item.project) / f"{item.writer}{SUFFIX}"
        with self.alone(item):
            here = self.end_of(path, item.writer)
            data = b"" if item.data is None else unpack_item(item.data)
            end = Position(item.offset + len(data), crc32(data, item.crc))
            if item.position == here and data:
                self.append(path, item, data, end)
                return answer(item, ReplyStatus.STORED, end)
            if end == here:
                return answer(item, ReplyStatus.DUPLICATE, here)
            return answer(item, ReplyStatus.MOVED, here, crc_at(path, item.offset) if item.offset <= here.offset else None)

    @contextmanager
    def alone(self, item: Item) -> Iterator[None]:
        """Hold the journal's lock. Raise Conflict if another process keeps it."""
        lock = lock_file(self.folder.lock_folder(item.project), item.writer)
        lock.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            if (descriptor := take_lock(lock)) is not None:
                break
            self.clock.sleep(PAUSE_SECONDS)
        else:
            raise Conflict(f"another process writes to the journal of {item.project!r}", hint="does another import run?")
        try:
            yield
        finally:
            os.close(descriptor)

    def end_of(self, path: Path, writer: str) -> Position:
        """Return the journal's end, from memory if the file's length is unchanged."""
        if not path.exists():
            return START
        size, end = self.ends.get(writer, (-1, START))
        if path.stat().st_size != size:
            with open_view(path) as view:
                end = view.end()
        return end

    def append(self, path: Path, item: Item, data: bytes, end: Position) -> None:
        """Append frames after the last whole one; cut off a torn frame of a killed process first."""
        if not path.exists():
            header = JournalHeader(writer=item.writer, project=item.project, run=item.run, created=self.clock.now_us())
            draft = path.with_suffix(".draft")
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(header.encoded())
            draft.rename(path)
        with open_view(path) as view:
            body = view.body
        with path.open("r+b") as file:
            file.truncate(body + item.offset)
            file.seek(body + item.offset)
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
        self.ends[item.writer] = body + end.offset, end


def crc_at(path: Path, offset: int) -> int | None:
    """Return the rolling crc of a journal before an offset."""
    if offset == 0:
        return 0
    with open_view(path) as view:
        return view.crc_at(offset)


def answer(item: Item, status: ReplyStatus, here: Position, crc: int | None = None) -> ItemReply:
    """Build the reply: the journal's position now."""
    return ItemReply(writer=item.writer, status=status, offset=here.offset, crc=here.crc, sealed=item.sealed, crc_at=crc)
