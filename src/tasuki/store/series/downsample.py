"""Downsample series for charts: minimum, maximum, and last value of each column of a shared grid."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasuki.store.series.points import Floats, Ints
from tasuki.store.series.rollups import GROUP_POINTS, Bools, Rollup

__all__ = ["ChartColumns", "Grid", "build_chart_columns", "build_grid", "find_cut_groups"]

MIN_ALIGNED_POINTS = 2 * GROUP_POINTS
"""Where columns have fewer points than this, they would become too unequal."""


class Grid(NamedTuple):
    """The steps from `first` to `last`, in columns that begin at `starts`."""

    first: int
    last: int
    starts: tuple[int, ...]

    @property
    def n(self) -> int:
        """Return the number of columns."""
        return len(self.starts)

    @property
    def ends(self) -> Floats:
        """The last step of each column."""
        return np.array([*(start - 1 for start in self.starts[1:]), *([self.last] if self.starts else [])], np.float64)

    @property
    def borders(self) -> Ints:
        """The first step of each column, and that behind the last if there can be one."""
        behind = [self.last + 1] if self.starts and self.last < 2**63 - 1 else []
        return np.array([*self.starts, *behind], np.int64)

    @classmethod
    def even(cls, first: int, last: int, n: int) -> "Grid":
        """`n` columns of (nearly) equal width."""
        width = last - first + 1
        return cls(first, last, tuple(first - (-column * width // n) for column in range(n)))

    def align(self, rollup: Rollup) -> "Grid":
        """Return a grid over the same steps whose columns begin at group boundaries: none cuts a group."""
        apart = rollup.first_steps[1:] > rollup.last_steps[:-1]
        clean = rollup.first_steps[1:][apart]
        clean = clean[(clean > self.first) & (clean <= self.last)]
        places = np.unique(np.searchsorted(clean, np.array(self.starts[1:], np.int64)))
        return self._replace(starts=(self.first, *clean[places[places < len(clean)]].tolist()))


class ChartColumns(NamedTuple):
    """One run's values on a grid. NaN where a column has none; `nan` says where there was NaN among them."""

    n: int
    min: Floats
    max: Floats
    last: Floats
    nan: Bools


def build_grid(rollups: Sequence[Rollup], n: int, first: int | None = None, last: int | None = None) -> Grid:
    """Build one grid for all runs of a chart, over the given or existing steps.

    Never more columns than steps.

    Of long series the columns are aligned to the groups of the one with the most.
    """
    logged = [outline for outline in rollups if len(outline.first_steps)]
    first = first if first is not None else min((int(outline.first_steps[0]) for outline in logged), default=None)
    last = last if last is not None else max((int(outline.last_steps[-1]) for outline in logged), default=None)
    if first is None or last is None or last < first:
        return Grid(first or 0, (first or 0) - 1, ())
    even = Grid.even(first, last, min(n, last - first + 1))
    longest = max(logged, key=lambda outline: len(outline.first_steps), default=None)
    if longest is None or count_points_between(longest, first, last) < MIN_ALIGNED_POINTS * even.n:
        return even
    return even.align(longest)


def count_points_between(rollup: Rollup, first: int, last: int) -> int:
    """Estimate the number of points between two steps."""
    start, stop = np.searchsorted(rollup.first_steps, first), np.searchsorted(rollup.first_steps, last, side="right")
    return int(rollup.counts[start:stop].sum())


def find_cut_groups(rollup: Rollup, target_grid: Grid) -> Ints:
    """The groups through which a border of the grid goes."""
    borders = target_grid.borders
    before = np.searchsorted(rollup.first_steps, borders) - 1
    there = before >= 0
    before, borders = before[there], borders[there]
    return np.unique(before[rollup.last_steps[before] >= borders])


def build_chart_columns(rollup: Rollup, target_grid: Grid) -> ChartColumns:
    """An outline of which no group is cut, on the grid. `n` counts its points there."""
    least, greatest, last = (np.full(target_grid.n, np.nan) for _ in range(3))
    marks = np.zeros(target_grid.n, np.bool_)
    places = np.searchsorted(rollup.first_steps, np.array(target_grid.starts, np.int64))
    end = int(np.searchsorted(rollup.first_steps, target_grid.last, side="right")) if target_grid.n else 0
    filled = np.flatnonzero(np.diff(places, append=end))
    if not len(filled):
        return ChartColumns(0, least, greatest, last, marks)
    starts = places[filled]
    least[filled] = np.fmin.reduceat(rollup.min_values[:end], starts)
    greatest[filled] = np.fmax.reduceat(rollup.max_values[:end], starts)
    last[filled] = rollup.last_values[np.append(starts[1:], end) - 1]
    marks[filled] = np.logical_or.reduceat(rollup.nan[:end], starts)
    return ChartColumns(int(rollup.counts[places[0] : end].sum()), least, greatest, last, marks)
