"""Outlines of series: their points in groups, each with its steps, its least, greatest and last value, and whether it has NaN."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from zlib_ng.zlib_ng import crc32

from tasuki.errors import StoreDamaged
from tasuki.store.points import Floats, Ints, Line

__all__ = ["FEWEST_POINTS", "GROUP", "Bools", "Outline", "outline_of", "pack_outline", "unpack_outlines"]

Bools = npt.NDArray[np.bool_]
GROUP = 64
FEWEST_POINTS = 512
"""Fewer points than this are read as they are in less time."""
WIDEST = 2**32
FORM = np.dtype([("first", "<u4"), ("last", "<u4"), ("least", "<f8"), ("greatest", "<f8"), ("final", "<f8"), ("nan", "?")])
HEAD = 12
"""A crc, and the step from which the others are counted."""


class Outline(NamedTuple):
    """Groups of points, in order: each one's first and last step, how many points, its least, greatest and last value."""

    firsts: Ints
    lasts: Ints
    counts: Ints
    least: Floats
    greatest: Floats
    final: Floats
    nan: Bools

    def part(self, start: int, stop: int) -> "Outline":
        """The groups from `start` up to `stop`."""
        here = slice(start, stop)
        ends, values = (self.firsts[here], self.lasts[here]), (self.least[here], self.greatest[here], self.final[here])
        return Outline(*ends, self.counts[here], *values, self.nan[here])

    @classmethod
    def join(cls, parts: Sequence["Outline"]) -> "Outline":
        """All groups of all parts, one part behind the other."""
        filled = [part for part in parts if len(part.firsts)] or parts[:1]
        return filled[0] if len(filled) == 1 else cls(*map(np.concatenate, zip(*filled, strict=True)))


def outline_of(line: Line) -> Outline:
    """Points as they are, each a group of its own."""
    steps, values = line
    return Outline(steps, steps, np.broadcast_to(np.int64(1), len(steps)), values, values, values, np.isnan(values))


def pack_outline(line: Line) -> bytes | None:
    """The outline of a chunk, with a crc; None where points as they are do as well."""
    steps, values = line
    if len(steps) < FEWEST_POINTS or int(steps[-1]) - int(steps[0]) >= WIDEST:
        return None
    starts = np.arange(0, len(steps), GROUP)
    ends = np.append(starts[1:], len(steps)) - 1
    table = np.empty(len(starts), FORM)
    table["first"], table["last"] = steps[starts] - steps[0], steps[ends] - steps[0]
    table["least"], table["greatest"] = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    table["final"], table["nan"] = values[ends], np.logical_or.reduceat(np.isnan(values), starts)
    data = int(steps[0]).to_bytes(8, "little", signed=True) + table.tobytes()
    return crc32(data).to_bytes(4, "little") + data


def unpack_outlines(packed: Sequence[tuple[int, bytes]]) -> Outline:
    """The outlines of chunks that follow each other, given with how many points they have. StoreDamaged if one fails its crc."""
    if any(crc32(data[4:]) != int.from_bytes(data[:4], "little") for _, data in packed):
        raise StoreDamaged("an outline fails its crc")
    table = np.frombuffer(b"".join(data[HEAD:] for _, data in packed), FORM)
    points = np.array([points for points, _ in packed], np.int64)
    sizes = -(-points // GROUP)
    if sizes.sum() != len(table):
        raise StoreDamaged(f"outlines have {len(table)} groups, {sizes.sum()} were stored")
    counts = np.full(len(table), GROUP)
    counts[np.cumsum(sizes) - 1] -= sizes * GROUP - points
    base = np.repeat(np.frombuffer(b"".join(data[4:HEAD] for _, data in packed), "<i8"), sizes)
    firsts, lasts = base + table["first"], base + table["last"]
    return Outline(firsts, lasts, counts, table["least"], table["greatest"], table["final"], table["nan"])
