"""Frames: how records lie one behind the other in a journal, in a raw store and on the wire.

`frame = u32 length, u32 crc32(payload), payload`, little-endian, payload at most 16 MiB. A position in a stream of frames
is `(offset, crc)`: the bytes before it and their rolling CRC-32. Two streams whose positions are equal hold the same bytes.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

__all__ = ["MAX_PAYLOAD_BYTES", "START", "Position", "find_frame", "frame", "frame_at", "frames", "whole_frames"]

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
HEAD = struct.Struct("<II")
# Every payload is a MessagePack array whose first element is its kind, a short string. A look-ahead, since what merely looks
# like a start (in a crc) may overlap a real one.
PAYLOAD_START = re.compile(rb"(?=(?:[\x91-\x9f]|\xdc..|\xdd....)[\xa1-\xbf][a-z])", re.DOTALL)


class Position(NamedTuple):
    """A place in a stream of frames: how many bytes are before it, and the rolling CRC-32 of them."""

    offset: int
    crc: int


START = Position(0, 0)


def frame(payload: bytes) -> bytes:
    """One frame around a payload."""
    return HEAD.pack(len(payload), crc32(payload)) + payload


def frame_at(data: bytes | memoryview, offset: int) -> int | None:
    """Where the frame that starts at `offset` ends; None if it is short, empty, too long or fails its crc."""
    start = offset + HEAD.size
    if start > len(data):
        return None
    length, crc = HEAD.unpack_from(data, offset)
    end: int = start + length
    if not 0 < length <= MAX_PAYLOAD_BYTES or end > len(data) or crc32(data[start:end]) != crc:
        return None
    return end


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """`(offset, payload)` of each whole frame from the start of `data`, up to the first that is not whole."""
    offset, size, unpack_from = 0, len(data), HEAD.unpack_from
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


def whole_frames(data: bytes) -> int:
    """How many bytes from the start of `data` are whole frames."""
    view, size, unpack_from = memoryview(data), len(data), HEAD.unpack_from
    offset = 0
    while offset + 8 <= size:
        length, crc = unpack_from(view, offset)
        end = offset + 8 + length
        if not 0 < length <= MAX_PAYLOAD_BYTES or end > size or crc32(view[offset + 8 : end]) != crc:
            break
        offset = end
    return offset


def find_frame(data: bytes, start: int) -> int | None:
    """The first whole frame at or after `start`, for reading on behind damage."""
    view = memoryview(data)
    for match in PAYLOAD_START.finditer(data, start + HEAD.size):
        offset = match.start() - HEAD.size
        if frame_at(view, offset) is not None:
            return offset
    return None
