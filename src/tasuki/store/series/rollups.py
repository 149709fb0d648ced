"""Outlines of series: their points in groups, each with its steps, its least, greatest and last value, and whether it has NaN."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from zlib_ng.zlib_ng import crc32

from tasuki.errors import StoreCorrupt
from tasuki.store.series.points import ChartLine, Floats, Ints

__all__ = ["FEWEST_POINTS", "GROUP", "Bools", "Rollup", "outline_of", "pack_outline", "unpack_outlines"]

Bools = npt.NDArray[np.bool_]
GROUP = 64
FEWEST_POINTS = 512
"""Fewer points than this are read as they are in less time."""
WIDEST = 2**32
EVEN, SINGLE, WITH_NAN = 1, 2, 4
"""What is special about a chunk: its steps are evenly spaced, its values are float32's, some are NaN."""
FORMS = [
    np.dtype(
        [
            *([] if flags & EVEN else [("first", "<u4"), ("last", "<u4")]),
            *((name, "<f4" if flags & SINGLE else "<f8") for name in ("least", "greatest", "final")),
            *([("nan", "?")] if flags & WITH_NAN else []),
        ]
    )
    for flags in range(8)
]
"""A group's row, by what is special about its chunk."""
HEAD = np.dtype([("crc", "<u4"), ("flags", "u1"), ("start", "<i8"), ("stride", "<u4")])
"""What a packed outline begins with: the crc of what follows it, the first step, the distance of steps where that is even."""
CRC = HEAD["crc"].itemsize


class Rollup(NamedTuple):
    """Groups of points, in order: each one's first and last step, how many points, its least, greatest and last value."""

    firsts: Ints
    lasts: Ints
    counts: Ints
    least: Floats
    greatest: Floats
    final: Floats
    nan: Bools

    def part(self, start: int, stop: int) -> "Rollup":
        """The groups from `start` up to `stop`."""
        here = slice(start, stop)
        ends, values = (self.firsts[here], self.lasts[here]), (self.least[here], self.greatest[here], self.final[here])
        return Rollup(*ends, self.counts[here], *values, self.nan[here])

    @classmethod
    def join(cls, parts: Sequence["Rollup"]) -> "Rollup":
        """All groups of all parts, one part behind the other."""
        filled = [part for part in parts if len(part.firsts)] or parts[:1]
        return filled[0] if len(filled) == 1 else cls(*map(np.concatenate, zip(*filled, strict=True)))


def outline_of(line: ChartLine) -> Rollup:
    """Points as they are, each a group of its own."""
    steps, values = line
    return Rollup(steps, steps, np.broadcast_to(np.int64(1), len(steps)), values, values, values, np.isnan(values))


def pack_outline(line: ChartLine) -> bytes | None:
    """The outline of a chunk, with a crc; None where points as they are do as well."""
    steps, values = line
    if len(steps) < FEWEST_POINTS or int(steps[-1]) - int(steps[0]) >= WIDEST:
        return None
    starts = np.arange(0, len(steps), GROUP)
    ends = np.append(starts[1:], len(steps)) - 1
    least, greatest, nan = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts), np.isnan(values)
    strides = np.diff(steps)
    flags = EVEN * bool((strides == strides[0]).all()) | WITH_NAN * bool(nan.any())
    flags |= SINGLE * all(is_single(part) for part in (least, greatest, values[ends]))
    table = np.empty(len(starts), FORMS[flags])
    table["least"], table["greatest"], table["final"] = least, greatest, values[ends]
    if not flags & EVEN:
        table["first"], table["last"] = steps[starts] - steps[0], steps[ends] - steps[0]
    if flags & WITH_NAN:
        table["nan"] = np.logical_or.reduceat(nan, starts)
    head = np.array([(0, flags, steps[0], strides[0] if flags & EVEN else 0)], HEAD)
    head["crc"] = crc32(head.tobytes()[CRC:] + table.tobytes())
    return head.tobytes() + table.tobytes()


def is_single(values: Floats) -> bool:
    """Whether float32 holds all of them exactly."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(((values.astype("<f4").astype(np.float64) == values) | np.isnan(values)).all())


def unpack_outlines(packed: Sequence[tuple[int, bytes]]) -> Rollup:
    """The outlines of chunks that follow each other, given with how many points they have. StoreCorrupt if one fails its crc."""
    if any(crc32(data[CRC:]) != int.from_bytes(data[:CRC], "little") for _, data in packed):
        raise StoreCorrupt("an outline fails its crc")
    alike = groupby(packed, key=lambda chunk: chunk[1][CRC])
    return Rollup.join([unpack_alike(flags, list(chunks)) for flags, chunks in alike])


def unpack_alike(flags: int, packed: Sequence[tuple[int, bytes]]) -> Rollup:
    """The outlines of chunks of one form."""
    heads = np.frombuffer(b"".join(data[: HEAD.itemsize] for _, data in packed), HEAD)
    table = np.frombuffer(b"".join(data[HEAD.itemsize :] for _, data in packed), FORMS[flags])
    points = np.array([points for points, _ in packed], np.int64)
    sizes = -(-points // GROUP)
    if sizes.sum() != len(table):
        raise StoreCorrupt(f"outlines have {len(table)} groups, {sizes.sum()} were stored")
    counts = np.full(len(table), GROUP)
    counts[np.cumsum(sizes) - 1] -= sizes * GROUP - points
    firsts = np.repeat(heads["start"], sizes)
    if flags & EVEN:
        stride = np.repeat(heads["stride"].astype(np.int64), sizes)
        firsts += (np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) * GROUP * stride
        lasts = firsts + (counts - 1) * stride
    else:
        firsts, lasts = firsts + table["first"], firsts + table["last"]
    least, greatest, final = (table[name].astype(np.float64) for name in ("least", "greatest", "final"))
    nan = table["nan"] if flags & WITH_NAN else np.zeros(len(table), np.bool_)
    return Rollup(firsts, lasts, counts, least, greatest, final, nan)
