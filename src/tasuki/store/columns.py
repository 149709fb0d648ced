"""Series as a chart needs them: the least, the greatest and the last value of each column of one grid of steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasuki.store.points import Floats, Line

__all__ = ["Columns", "Grid", "columns_of", "grid"]


class Grid(NamedTuple):
    """The steps from `first` to `last`, in `n` columns of (nearly) equal width."""

    first: int
    last: int
    n: int

    @property
    def starts(self) -> list[int]:
        """The first step of each column, and the step behind the last."""
        width = self.last - self.first + 1
        return [self.first - (-column * width // self.n) for column in range(self.n + 1)] if self.n else []

    @property
    def ends(self) -> Floats:
        """The last step of each column."""
        return np.array([start - 1 for start in self.starts[1:]], np.float64)


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
    least, greatest, last = (np.full(on.n, np.nan) for _ in range(3))
    marks = np.zeros(on.n, np.bool_)
    places = np.searchsorted(line.steps, np.array(on.starts[:-1], np.int64))
    end = int(np.searchsorted(line.steps, on.last, side="right")) if on.n else 0
    filled = np.flatnonzero(np.diff(places, append=end))
    if len(filled):
        values, starts = line.values[:end], places[filled]
        least[filled], greatest[filled] = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
        last[filled] = values[np.append(starts[1:], end) - 1]
        nan = np.isnan(values)
        if nan.any():
            marks[filled] = np.logical_or.reduceat(nan, starts)
    return Columns(end - int(places[0]) if on.n else 0, least, greatest, last, marks)
