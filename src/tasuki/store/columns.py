"""Series as a chart needs them: the least, the greatest and the last value of each column of one grid of steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasuki.store.points import Floats, Ints, Line

__all__ = ["Columns", "Grid", "columns_of", "grid"]

MASK = 2**64 - 1


class Grid(NamedTuple):
    """The steps from `first` to `last`, in `n` columns of (nearly) equal width."""

    first: int
    last: int
    n: int

    @property
    def ends(self) -> Floats:
        """The last step of each column."""
        width = self.last - self.first + 1
        if width == self.n:
            return np.arange(self.n, dtype=np.float64) + float(self.first)
        ends = (self.first + -(-(column + 1) * width // self.n) - 1 for column in range(self.n))
        return np.fromiter(ends, np.float64, self.n)

    def column_of(self, steps: Ints) -> Ints:
        """In which column each step lies. Differences are taken modulo 2^64, where they can't overflow."""
        width = self.last - self.first + 1
        ahead = steps.view(np.uint64) - np.uint64(self.first & MASK)
        if width == self.n:
            return ahead.astype(np.int64)
        if width * self.n < 2**63:
            return (ahead.astype(np.int64) * self.n) // width
        return np.minimum((ahead.astype(np.float64) * (self.n / width)).astype(np.int64), self.n - 1)


class Columns(NamedTuple):
    """One run's values on a grid. NaN where a column has none; `nan` says where there was NaN among them."""

    n: int
    min: Floats
    max: Floats
    last: Floats
    nan: npt.NDArray[np.bool_]


def grid(lines: Sequence[Line], n: int, first: int | None = None, last: int | None = None) -> Grid:
    """One grid for all runs of a chart: over the given steps, else over those that there are; never more columns than steps."""
    logged = [line.steps for line in lines if len(line.steps)]
    first = first if first is not None else min((int(steps[0]) for steps in logged), default=None)
    last = last if last is not None else max((int(steps[-1]) for steps in logged), default=None)
    if first is None or last is None or last < first:
        return Grid(first or 0, (first or 0) - 1, 0)
    return Grid(first, last, min(n, last - first + 1))


def columns_of(line: Line, on: Grid) -> Columns:
    """The line on the grid; every extreme, every NaN and the last point is in it. `n` counts the points on the grid."""
    low, high = np.searchsorted(line.steps, on.first), np.searchsorted(line.steps, on.last, side="right")
    steps, values = line.steps[low:high], line.values[low:high]
    least, greatest, last = (np.full(on.n, np.nan) for _ in range(3))
    marks = np.zeros(on.n, np.bool_)
    if len(steps) and on.n:
        places = on.column_of(steps)
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        filled = places[starts]
        least[filled], greatest[filled] = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
        last[filled] = values[np.append(starts[1:], len(values)) - 1]
        nan = np.isnan(values)
        if nan.any():
            marks[filled] = np.logical_or.reduceat(nan, starts)
    return Columns(len(steps) if on.n else 0, least, greatest, last, marks)
