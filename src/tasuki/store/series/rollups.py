"""Rollups of series.

Groups of points with their steps, minimum, maximum, last value, and whether NaN occurs.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from zlib_ng.zlib_ng import crc32

from tasuki.errors import StoreCorrupt
from tasuki.store.series.points import ChartLine, Floats, Ints

__all__ = ["GROUP_POINTS", "MIN_POINTS", "Bools", "Rollup", "make_rollup", "pack_rollup", "unpack_rollups"]

Bools = npt.NDArray[np.bool_]
GROUP_POINTS = 64
MIN_POINTS = 512
"""Fewer points than this are read as they are in less time."""
MAX_STEP_SPAN = 2**32
EVEN_STEPS, FLOAT32_VALUES, HAS_NAN = 1, 2, 4
"""What is special about a chunk: its steps are evenly spaced, its values are float32's, some are NaN."""
ROW_TYPES = [
    np.dtype(
        [
            *([] if flags & EVEN_STEPS else [("first", "<u4"), ("last", "<u4")]),
            *((name, "<f4" if flags & FLOAT32_VALUES else "<f8") for name in ("least", "greatest", "final")),
            *([("nan", "?")] if flags & HAS_NAN else []),
        ]
    )
    for flags in range(8)
]
"""A group's row, by what is special about its chunk."""
HEADER_TYPE = np.dtype([("crc", "<u4"), ("flags", "u1"), ("start", "<i8"), ("stride", "<u4")])
"""What a packed outline begins with: the crc of what follows it, the first step, the distance of steps where that is even."""
CRC_BYTES = HEADER_TYPE["crc"].itemsize


class Rollup(NamedTuple):
    """Groups of points in order: first and last step, count, minimum, maximum, and last value of each."""

    first_steps: Ints
    last_steps: Ints
    counts: Ints
    min_values: Floats
    max_values: Floats
    last_values: Floats
    nan: Bools

    def groups_between(self, start: int, stop: int) -> "Rollup":
        """The groups from `start` up to `stop`."""
        here = slice(start, stop)
        ends, values = (
            (self.first_steps[here], self.last_steps[here]),
            (self.min_values[here], self.max_values[here], self.last_values[here]),
        )
        return Rollup(*ends, self.counts[here], *values, self.nan[here])

    @classmethod
    def join(cls, parts: Sequence["Rollup"]) -> "Rollup":
        """All groups of all parts, one part behind the other."""
        filled = [part for part in parts if len(part.first_steps)] or parts[:1]
        return filled[0] if len(filled) == 1 else cls(*map(np.concatenate, zip(*filled, strict=True)))


def make_rollup(line: ChartLine) -> Rollup:
    """Points as they are, each a group of its own."""
    steps, values = line
    return Rollup(steps, steps, np.broadcast_to(np.int64(1), len(steps)), values, values, values, np.isnan(values))


def pack_rollup(line: ChartLine) -> bytes | None:
    """The outline of a chunk, with a crc; None where points as they are do as well."""
    steps, values = line
    if len(steps) < MIN_POINTS or int(steps[-1]) - int(steps[0]) >= MAX_STEP_SPAN:
        return None
    starts = np.arange(0, len(steps), GROUP_POINTS)
    ends = np.append(starts[1:], len(steps)) - 1
    least, greatest, nan = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts), np.isnan(values)
    strides = np.diff(steps)
    flags = EVEN_STEPS * bool((strides == strides[0]).all()) | HAS_NAN * bool(nan.any())
    flags |= FLOAT32_VALUES * all(is_float32(part) for part in (least, greatest, values[ends]))
    table = np.empty(len(starts), ROW_TYPES[flags])
    table["least"], table["greatest"], table["final"] = least, greatest, values[ends]
    if not flags & EVEN_STEPS:
        table["first"], table["last"] = steps[starts] - steps[0], steps[ends] - steps[0]
    if flags & HAS_NAN:
        table["nan"] = np.logical_or.reduceat(nan, starts)
    head = np.array([(0, flags, steps[0], strides[0] if flags & EVEN_STEPS else 0)], HEADER_TYPE)
    head["crc"] = crc32(head.tobytes()[CRC_BYTES:] + table.tobytes())
    return head.tobytes() + table.tobytes()


def is_float32(values: Floats) -> bool:
    """Return whether float32 represents all values exactly."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(((values.astype("<f4").astype(np.float64) == values) | np.isnan(values)).all())


def unpack_rollups(packed: Sequence[tuple[int, bytes]]) -> Rollup:
    """Unpack the rollups of consecutive chunks, given with their lengths.

    Raise StoreCorrupt on a crc mismatch.
    """
    if any(crc32(data[CRC_BYTES:]) != int.from_bytes(data[:CRC_BYTES], "little") for _, data in packed):
        raise StoreCorrupt("an outline fails its crc")
    alike = groupby(packed, key=lambda chunk: chunk[1][CRC_BYTES])
    return Rollup.join([unpack_same_flags(flags, list(chunks)) for flags, chunks in alike])


def unpack_same_flags(flags: int, packed: Sequence[tuple[int, bytes]]) -> Rollup:
    """The outlines of chunks of one form."""
    heads = np.frombuffer(b"".join(data[: HEADER_TYPE.itemsize] for _, data in packed), HEADER_TYPE)
    table = np.frombuffer(b"".join(data[HEADER_TYPE.itemsize :] for _, data in packed), ROW_TYPES[flags])
    points = np.array([points for points, _ in packed], np.int64)
    sizes = -(-points // GROUP_POINTS)
    if sizes.sum() != len(table):
        raise StoreCorrupt(f"outlines have {len(table)} groups, {sizes.sum()} were stored")
    counts = np.full(len(table), GROUP_POINTS)
    counts[np.cumsum(sizes) - 1] -= sizes * GROUP_POINTS - points
    firsts = np.repeat(heads["start"], sizes)
    if flags & EVEN_STEPS:
        stride = np.repeat(heads["stride"].astype(np.int64), sizes)
        firsts += (np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) * GROUP_POINTS * stride
        lasts = firsts + (counts - 1) * stride
    else:
        firsts, lasts = firsts + table["first"], firsts + table["last"]
    least, greatest, final = (table[name].astype(np.float64) for name in ("least", "greatest", "final"))
    nan = table["nan"] if flags & HAS_NAN else np.zeros(len(table), np.bool_)
    return Rollup(firsts, lasts, counts, least, greatest, final, nan)
