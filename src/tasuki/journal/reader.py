"""Reading a journal file: its header, its frames from any offset, the rolling crc at any offset."""

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import zstandard
from zlib_ng.zlib_ng import crc32

from tasuki.journal.header import JournalHeader, read_header
from tasuki.records import MAX_PAYLOAD_BYTES, START, Position, whole_frames

__all__ = ["JournalReader", "open_view"]

READ_BYTES = 1024 * 1024


class JournalReader:
    """One journal file, open for reading. Offsets count the bytes of uncompressed frames; the header is not among them."""

    def __init__(self, path: Path, header: JournalHeader, file: BufferedReader, body: int) -> None:
        self.path = path
        self.header = header
        self.file = file
        self.body = body
        self.known = START
        self.known_end = START

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> "JournalReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """How many bytes of frames there are, whole or not. Of a sealed file: where its header says that it ends."""
        if self.header.end is not None:
            return self.header.end
        return os.fstat(self.file.fileno()).st_size - self.body

    def read(self, offset: int, limit_bytes: int = READ_BYTES) -> bytes:
        """Bytes from `offset`, up to about `limit_bytes`; nothing at the end or where a sealed block is damaged."""
        if not self.header.sealed:
            return os.pread(self.file.fileno(), limit_bytes, self.body + offset)
        parts, size = [], 0
        for start, block in self.blocks(offset):
            if block is None:
                break
            part = block[offset - start :] if offset > start else block
            parts.append(part)
            size += len(part)
            if size >= limit_bytes:
                break
        return b"".join(parts)

    def blocks(self, offset: int = 0) -> Iterator[tuple[int, bytes | None]]:
        """`(offset, frames)` of the blocks of a sealed file from the one that `offset` lies in; None for a damaged one."""
        place, start = self.body, 0
        for size, packed_size in self.header.blocks:
            if start + size > offset:
                yield start, unpacked(os.pread(self.file.fileno(), packed_size, place), size)
            place, start = place + packed_size, start + size

    def read_frames(self, offset: int, limit_bytes: int = READ_BYTES) -> bytes:
        """Whole frames from `offset`: at least one if it is there, whatever its size; nothing at the end, a torn tail or a hole."""
        data = self.read(offset, limit_bytes)
        if self.header.sealed:  # blocks begin and end with whole frames, and have checksums
            return data
        end = whole_frames(data)
        if end == 0 and len(data) >= limit_bytes:
            data = self.read(offset, MAX_PAYLOAD_BYTES + READ_BYTES)
            end = whole_frames(data)
        return data[:end]

    def pieces(self, offset: int = 0) -> Iterator[bytes]:
        """Whole frames from `offset` to the end or the first hole, in pieces."""
        while piece := self.read_frames(offset):
            yield piece
            offset += len(piece)

    def crc_at(self, offset: int) -> int | None:
        """The rolling crc of the bytes before `offset`; None if the file has fewer."""
        position = self.known if self.known.offset <= offset else START
        while position.offset < offset:
            data = self.read(position.offset)[: offset - position.offset]
            if not data:
                return None
            position = Position(position.offset + len(data), crc32(data, position.crc))
        self.known = position
        return position.crc

    def end(self) -> Position:
        """The position behind the last whole frame before the end, a torn tail or a hole."""
        position = self.known_end
        for piece in self.pieces(position.offset):
            position = Position(position.offset + len(piece), crc32(piece, position.crc))
        self.known_end = position
        return position


def open_view(path: Path) -> JournalReader:
    """Open a journal for reading. UnrecognizedFile, DataError; FileNotFoundError if it is gone."""
    file = path.open("rb")
    try:
        header, body = read_header(file, path)
    except BaseException:
        file.close()
        raise
    return JournalReader(path, header, file, body)


def unpacked(block: bytes, size: int) -> bytes | None:
    """The frames of one compressed block, its checksum verified; None if it is damaged."""
    try:
        frames = zstandard.ZstdDecompressor().decompress(block, max_output_size=size)
    except zstandard.ZstdError:
        return None
    return frames if len(frames) == size else None
