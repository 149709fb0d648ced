"""Reading a journal file: its header, its frames from any offset, the rolling crc at any offset."""

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import zstandard
from zlib_ng.zlib_ng import crc32

from tasuki.journal.header import JournalHeader, read_header
from tasuki.records import MAX_PAYLOAD_BYTES, START, Position, measure_whole_frames

__all__ = ["JournalReader", "open_journal"]

READ_BYTES = 1024 * 1024


class JournalReader:
    """Reads one journal file. Offsets count uncompressed frames, without the header."""

    def __init__(self, path: Path, header: JournalHeader, file: BufferedReader, body_offset: int) -> None:
        self.path = path
        self.header = header
        self.file = file
        self.body_offset = body_offset
        self.cached_position = START
        self.cached_end = START

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> "JournalReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Return the bytes of frames, whole or not; of a sealed file, as its header says."""
        if self.header.end is not None:
            return self.header.end
        return os.fstat(self.file.fileno()).st_size - self.body_offset

    def read(self, offset: int, limit_bytes: int = READ_BYTES) -> bytes:
        """Read up to about `limit_bytes` from `offset`; empty at the end or at a damaged block."""
        if not self.header.is_sealed:
            return os.pread(self.file.fileno(), limit_bytes, self.body_offset + offset)
        parts, size = [], 0
        for start, block in self.read_blocks(offset):
            if block is None:
                break
            part = block[offset - start :] if offset > start else block
            parts.append(part)
            size += len(part)
            if size >= limit_bytes:
                break
        return b"".join(parts)

    def read_blocks(self, offset: int = 0) -> Iterator[tuple[int, bytes | None]]:
        """Yield `(offset, frames)` of a sealed file's blocks, from the one at `offset`.

        None for a damaged one.
        """
        place, start = self.body_offset, 0
        for size, packed_size in self.header.blocks:
            if start + size > offset:
                yield start, unpack_block(os.pread(self.file.fileno(), packed_size, place), size)
            place, start = place + packed_size, start + size

    def read_frames(self, offset: int, limit_bytes: int = READ_BYTES) -> bytes:
        """Read whole frames from `offset`, at least one if available.

        Empty at the end, a torn tail, or damage.
        """
        data = self.read(offset, limit_bytes)
        if self.header.is_sealed:  # blocks begin and end with whole frames, and have checksums
            return data
        end = measure_whole_frames(data)
        if end == 0 and len(data) >= limit_bytes:
            data = self.read(offset, MAX_PAYLOAD_BYTES + READ_BYTES)
            end = measure_whole_frames(data)
        return data[:end]

    def read_pieces(self, offset: int = 0) -> Iterator[bytes]:
        """Whole frames from `offset` to the end or the first hole, in pieces."""
        while piece := self.read_frames(offset):
            yield piece
            offset += len(piece)

    def crc_at(self, offset: int) -> int | None:
        """The rolling crc of the bytes before `offset`; None if the file has fewer."""
        position = self.cached_position if self.cached_position.offset <= offset else START
        while position.offset < offset:
            data = self.read(position.offset)[: offset - position.offset]
            if not data:
                return None
            position = Position(position.offset + len(data), crc32(data, position.crc))
        self.cached_position = position
        return position.crc

    def find_end(self) -> Position:
        """The position behind the last whole frame before the end, a torn tail or a hole."""
        position = self.cached_end
        for piece in self.read_pieces(position.offset):
            position = Position(position.offset + len(piece), crc32(piece, position.crc))
        self.cached_end = position
        return position


def open_journal(path: Path) -> JournalReader:
    """Open a journal for reading. UnrecognizedFile, DataError; FileNotFoundError if it is gone."""
    file = path.open("rb")
    try:
        header, body = read_header(file, path)
    except BaseException:
        file.close()
        raise
    return JournalReader(path, header, file, body)


def unpack_block(block: bytes, size: int) -> bytes | None:
    """The frames of one compressed block, its checksum verified; None if it is damaged."""
    try:
        frames = zstandard.ZstdDecompressor().decompress(block, max_output_size=size)
    except zstandard.ZstdError:
        return None
    return frames if len(frames) == size else None
