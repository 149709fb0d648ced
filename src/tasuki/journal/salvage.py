"""Salvage: find the whole frames behind damage and save them as streams of their own."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tasuki.journal.header import JournalHeader
from tasuki.journal.reader import JournalReader
from tasuki.records import find_frame, measure_whole_frames

__all__ = ["DamagedRange", "IntactRange", "derive_writer_id", "find_damage", "strip_seal"]


class IntactRange(NamedTuple):
    """Whole frames behind a hole, and the offset where they lay."""

    offset: int
    frames: bytes


class DamagedRange(NamedTuple):
    """Damage in a writer's stream: where it begins, and what can be read behind it."""

    writer: str
    offset: int
    intact_ranges: list[IntactRange]


def derive_writer_id(writer: str, offset: int) -> str:
    """The writer id of what goes on as a new stream from `offset` of another."""
    return hashlib.sha256(f"{writer}:{offset}".encode()).hexdigest()[:32]


def find_damage(reader: JournalReader, end: int | None = None) -> DamagedRange | None:
    """Find the first damage with frames after it (in a sealed file: any damage).

    A torn tail does not count.
    """
    end = reader.find_end().offset if end is None else end
    islands = list(find_sealed_ranges(reader, end) if reader.header.is_sealed else find_live_ranges(reader, end))
    if islands or (reader.header.is_sealed and end != reader.size):
        return DamagedRange(reader.header.writer, end, islands)
    return None


def find_live_ranges(reader: JournalReader, end: int) -> Iterator[IntactRange]:
    """Yield runs of whole frames after the torn frame at `end`.

    A frame that is whole now was just written.
    """
    rest = reader.read(end, reader.size - end)
    start = measure_whole_frames(rest)
    while (at := find_frame(rest, start)) is not None:
        length = measure_whole_frames(rest[at:])
        yield IntactRange(end + at, rest[at : at + length])
        start = at + length


def find_sealed_ranges(reader: JournalReader, end: int) -> Iterator[IntactRange]:
    """The blocks behind `end` that can still be read. A block begins and ends with whole frames."""
    for start, block in reader.read_blocks(end):
        if block and start >= end:
            yield IntactRange(start, block)


def strip_seal(header: JournalHeader) -> JournalHeader:
    """The header as it was before sealing."""
    return msgspec.structs.replace(header, end=None, end_crc=None, sha256=None, blocks=[])
