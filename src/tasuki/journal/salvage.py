"""Salvage: find the whole frames behind damage and save them as streams of their own."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tasuki.journal.header import JournalHeader
from tasuki.journal.reader import JournalReader
from tasuki.records import find_frame, whole_frames

__all__ = ["DamagedRange", "IntactRange", "derived_writer", "find_hole", "plain"]


class IntactRange(NamedTuple):
    """Whole frames behind a hole, and the offset where they lay."""

    offset: int
    frames: bytes


class DamagedRange(NamedTuple):
    """Damage in a writer's stream: where it begins, and what can be read behind it."""

    writer: str
    offset: int
    islands: list[IntactRange]


def derived_writer(writer: str, offset: int) -> str:
    """The writer id of what goes on as a new stream from `offset` of another."""
    return hashlib.sha256(f"{writer}:{offset}".encode()).hexdigest()[:32]


def find_hole(view: JournalReader, end: int | None = None) -> DamagedRange | None:
    """The first damage with something behind it, or, in a sealed file, with anything missing. A torn tail is no hole."""
    end = view.end().offset if end is None else end
    islands = list(sealed_islands(view, end) if view.header.sealed else live_islands(view, end))
    if islands or (view.header.sealed and end != view.size):
        return DamagedRange(view.header.writer, end, islands)
    return None


def live_islands(view: JournalReader, end: int) -> Iterator[IntactRange]:
    """Runs of whole frames behind what is torn at `end` in a plain file. What is not torn any more has been written since."""
    rest = view.read(end, view.size - end)
    start = whole_frames(rest)
    while (at := find_frame(rest, start)) is not None:
        length = whole_frames(rest[at:])
        yield IntactRange(end + at, rest[at : at + length])
        start = at + length


def sealed_islands(view: JournalReader, end: int) -> Iterator[IntactRange]:
    """The blocks behind `end` that can still be read. A block begins and ends with whole frames."""
    for start, block in view.blocks(end):
        if block and start >= end:
            yield IntactRange(start, block)


def plain(header: JournalHeader) -> JournalHeader:
    """The header as it was before sealing."""
    return msgspec.structs.replace(header, end=None, end_crc=None, sha256=None, blocks=[])
