"""Frames: how records lie one behind the other in a journal, in a raw store and on the wire.

`frame = u32 length, u32 crc32(payload), payload`, little-endian, payload at most 16 MiB. A position in a stream of frames
is `(offset, crc)`: the bytes before it and their rolling CRC-32. Two streams whose positions are equal hold the same bytes.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from zlib_ng.zlib_ng import crc32

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "START",
    "Position",
    "count_frames",
    "encode_frame",
    "find_frame",
    "find_frame_end",
    "iterate_frames",
    "measure_whole_frames",
    "split_frames",
]

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
FRAME_HEADER = struct.Struct("<II")
FRAME_LENGTH = struct.Struct("<I")
# Every payload is a MessagePack array whose first element is its kind, a short string. A look-ahead, since what merely looks
# like a start (in a crc) may overlap a real one.
PAYLOAD_START = re.compile(rb"(?=(?:[\x91-\x9f]|\xdc..|\xdd....)[\xa1-\xbf][a-z])", re.DOTALL)


class Position(NamedTuple):
    """A place in a stream of frames: how many bytes are before it, and the rolling CRC-32 of them."""

    offset: int
    crc: int


START = Position(0, 0)


def encode_frame(payload: bytes) -> bytes:
    """One frame around a payload."""
    return FRAME_HEADER.pack(len(payload), crc32(payload)) + payload


def find_frame_end(data: bytes | memoryview, offset: int) -> int | None:
    """Return the end of the frame at `offset`; None if it is short, empty, too long, or fails its crc."""
    start = offset + FRAME_HEADER.size
    if start > len(data):
        return None
    length, crc = FRAME_HEADER.unpack_from(data, offset)
    end: int = start + length
    if not 0 < length <= MAX_PAYLOAD_BYTES or end > len(data) or crc32(data[start:end]) != crc:
        return None
    return end


def iterate_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """`(offset, payload)` of each whole frame from the start of `data`, up to the first that is not whole."""
    offset, size, unpack_from = 0, len(data), FRAME_HEADER.unpack_from
    while offset + 8 <= size:
        length, crc = unpack_from(data, offset)
        end = offset + 8 + length
        if not 0 < length <= MAX_PAYLOAD_BYTES or end > size:
            return
        payload = data[offset + 8 : end]
        if crc32(payload) != crc:
            return
        yield offset, payload
        offset = end


def measure_whole_frames(data: bytes) -> int:
    """Return how many bytes at the start of `data` are whole frames."""
    size, unpack_from = len(data), FRAME_HEADER.unpack_from
    offset, start = 0, 8
    while start <= size:
        length, crc = unpack_from(data, offset)
        end = start + length
        if not 0 < length <= MAX_PAYLOAD_BYTES or end > size or crc32(data[start:end]) != crc:
            break
        offset, start = end, end + 8
    return offset


def split_frames(data: bytes) -> tuple[list[int], list[bytes]]:
    """The offsets and the payloads of whole frames, whose crcs were checked when they were read."""
    offsets, payloads = [], []
    offset, size, unpack_from = 0, len(data), FRAME_LENGTH.unpack_from
    while offset + 8 <= size:
        (length,) = unpack_from(data, offset)
        start = offset + 8
        end = start + length
        offsets.append(offset)
        payloads.append(data[start:end])
        offset = end
    return offsets, payloads


def count_frames(data: bytes) -> int:
    """Count the frames in `data`, which starts with one and has valid lengths."""
    count, offset, size, unpack_from = 0, 0, len(data), FRAME_LENGTH.unpack_from
    while offset < size:
        offset += 8 + unpack_from(data, offset)[0]
        count += 1
    return count


def find_frame(data: bytes, start: int) -> int | None:
    """The first whole frame at or after `start`, for reading on behind damage."""
    view = memoryview(data)
    for match in PAYLOAD_START.finditer(data, start + FRAME_HEADER.size):
        offset = match.start() - FRAME_HEADER.size
        if find_frame_end(view, offset) is not None:
            return offset
    return None
