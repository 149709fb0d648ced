"""A stream derived from rows of a foreign database, kept until it is delivered."""

import tempfile
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from tasuki.errors import DataError
from tasuki.journal import Stream
from tasuki.records import MAX_PAYLOAD_BYTES, measure_whole_frames

__all__ = ["BytesReleased", "DerivedStream", "Spool"]

MAX_BUFFER_BYTES = 64 * 1024
MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + 8


class BytesReleased(DataError):
    """The receiver asks for bytes already released; rebuild the stream from the database."""


class Spool:
    """Disk space for the bytes of streams, in one unnamed file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the spool
        self.end = 0

    def write(self, data: bytes) -> int:
        """Store bytes; return their offset."""
        place = self.end
        self.file.seek(place)
        self.file.write(data)
        self.end += len(data)
        return place

    def read(self, offset: int, size: int) -> bytes:
        """Return stored bytes."""
        self.file.seek(offset)
        return self.file.read(size)

    def close(self) -> None:
        """Release the space."""
        self.file.close()


class Extent(NamedTuple):
    """A piece of a stream: its offset, and where it is spooled."""

    offset: int
    spool: Spool
    spool_offset: int
    size: int


class DerivedStream:
    """One growing stream. `base`: the offset of the first byte that is still kept."""

    def __init__(self, project: str, run: str, writer: str, *, sealed: bool = False) -> None:
        self.project = project
        self.run = run
        self.writer = writer
        self.sealed = sealed
        self.size = self.available_from = 0
        self.row_count = 0
        self.extents: list[Extent] = []
        self.buffer = bytearray()

    @property
    def stream(self) -> Stream:
        """Return the stream as a sender sees it."""
        return Stream(self.writer, self.project, self.run, self.size, self.sealed)

    def add_frame(self, frame: bytes, spool: Spool) -> None:
        """Append a frame; drop one that is too long to send."""
        frame = frame if len(frame) <= MAX_FRAME_BYTES else b""
        self.buffer += frame
        self.size += len(frame)
        self.row_count += 1
        if len(self.buffer) >= MAX_BUFFER_BYTES:
            self.flush(spool)

    def flush(self, spool: Spool) -> None:
        """Move buffered bytes to the spool."""
        if self.buffer:
            data = bytes(self.buffer)
            self.extents.append(Extent(self.size - len(data), spool, spool.write(data), len(data)))
            self.buffer.clear()

    def release(self) -> None:
        """Release the bytes: they were delivered."""
        self.extents.clear()
        self.buffer.clear()
        self.available_from = self.size

    def read(self, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`, at least one if available. Raise BytesReleased for released ones."""
        data = self.read_bytes(offset, limit_bytes)
        end = measure_whole_frames(data)
        if end == 0 and data:
            data = self.read_bytes(offset, MAX_FRAME_BYTES)
            end = measure_whole_frames(data)
        return data[:end]

    def read_bytes(self, offset: int, limit_bytes: int) -> bytes:
        """Return bytes from `offset`, as many as there are."""
        if offset < self.available_from:
            raise BytesReleased(f"stream {self.writer} is asked for from {offset} on, and begins at {self.available_from} here")
        parts, left = [], limit_bytes
        first = max(bisect_right(self.extents, offset, key=lambda extent: extent.offset) - 1, 0)
        for extent in self.extents[first:]:
            skipped = max(offset - extent.offset, 0)
            if skipped < extent.size and left > 0:
                parts.append(extent.spool.read(extent.spool_offset + skipped, min(extent.size - skipped, left)))
                left -= len(parts[-1])
        buffered = self.size - len(self.buffer)
        if left > 0 and offset < self.size:
            parts.append(bytes(self.buffer[max(offset - buffered, 0) :][:left]))
        return b"".join(parts)
