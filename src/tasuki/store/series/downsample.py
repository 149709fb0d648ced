"""Series as a chart needs them: the least, the greatest and the last value of each column of one grid of steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasuki.store.series.points import Floats, Ints
from tasuki.store.series.rollups import GROUP, Bools, Rollup

__all__ = ["ChartColumns", "Grid", "columns_of", "cut", "grid"]

WORTH_ALIGNING = 2 * GROUP
"""Where columns have fewer points than this, they would become too unequal."""


class Grid(NamedTuple):
    """The steps from `first` to `last`, in columns that begin at `starts`."""

    first: int
    last: int
    starts: tuple[int, ...]

    @property
    def n(self) -> int:
        """How many columns there are."""
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

    def aligned(self, outline: Rollup) -> "Grid":
        """The same steps in as many columns or fewer: each begins where a group of the outline does, so that none is cut."""
        apart = outline.firsts[1:] > outline.lasts[:-1]
        clean = outline.firsts[1:][apart]
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


def grid(outlines: Sequence[Rollup], n: int, first: int | None = None, last: int | None = None) -> Grid:
    """One grid for all runs of a chart: over the given steps, else over those that there are; never more columns than steps.

    Of long series the columns are aligned to the groups of the one with the most.
    """
    logged = [outline for outline in outlines if len(outline.firsts)]
    first = first if first is not None else min((int(outline.firsts[0]) for outline in logged), default=None)
    last = last if last is not None else max((int(outline.lasts[-1]) for outline in logged), default=None)
    if first is None or last is None or last < first:
        return Grid(first or 0, (first or 0) - 1, ())
    even = Grid.even(first, last, min(n, last - first + 1))
    longest = max(logged, key=lambda outline: len(outline.firsts), default=None)
    if longest is None or points_between(longest, first, last) < WORTH_ALIGNING * even.n:
        return even
    return even.aligned(longest)


def points_between(outline: Rollup, first: int, last: int) -> int:
    """How many points there are, about."""
    start, stop = np.searchsorted(outline.firsts, first), np.searchsorted(outline.firsts, last, side="right")
    return int(outline.counts[start:stop].sum())


def cut(outline: Rollup, on: Grid) -> Ints:
    """The groups through which a border of the grid goes."""
    borders = on.borders
    before = np.searchsorted(outline.firsts, borders) - 1
    there = before >= 0
    before, borders = before[there], borders[there]
    return np.unique(before[outline.lasts[before] >= borders])


def columns_of(outline: Rollup, on: Grid) -> ChartColumns:
    """An outline of which no group is cut, on the grid. `n` counts its points there."""
    least, greatest, last = (np.full(on.n, np.nan) for _ in range(3))
    marks = np.zeros(on.n, np.bool_)
    places = np.searchsorted(outline.firsts, np.array(on.starts, np.int64))
    end = int(np.searchsorted(outline.firsts, on.last, side="right")) if on.n else 0
    filled = np.flatnonzero(np.diff(places, append=end))
    if not len(filled):
        return ChartColumns(0, least, greatest, last, marks)
    starts = places[filled]
    least[filled] = np.fmin.reduceat(outline.least[:end], starts)
    greatest[filled] = np.fmax.reduceat(outline.greatest[:end], starts)
    last[filled] = outline.final[np.append(starts[1:], end) - 1]
    marks[filled] = np.logical_or.reduceat(outline.nan[:end], starts)
    return ChartColumns(int(outline.counts[places[0] : end].sum()), least, greatest, last, marks)
