"""Logged values as columns: what is projected, folded and answered in one piece."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasuki.records import FlatMetrics

__all__ = ["ChartLine", "Column", "Floats", "Ints", "PointOrder", "Points", "Series", "group_points"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Column(NamedTuple):
    """One metric's values, and the records they belong to."""

    rows: Ints
    values: Floats


class ChartLine(NamedTuple):
    """A chart's line of one metric of one run: sorted steps, and values."""

    steps: Ints
    values: Floats


class PointOrder(NamedTuple):
    """The sort key of points: (step, clock, writer)."""

    step: int
    clock: int
    writer: str


@dataclass(slots=True)
class Points:
    """Records of one run, sorted by (step, clock, writer), with a column per metric.

    `lags` is clock minus the time of the call: nearly always 0. `writers` index into `names`.
    """

    steps: Ints
    clocks: Ints
    lags: Ints
    writers: Ints
    names: list[str]
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(self.steps)

    def order_key(self, row: int) -> PointOrder:
        """Return the sort key of a record."""
        return PointOrder(int(self.steps[row]), int(self.clocks[row]), self.names[self.writers[row]])

    @property
    def value_count(self) -> int:
        """Return the number of values."""
        return sum(len(column.values) for column in self.columns.values())

    def rows_between(self, start: int, stop: int) -> "Points":
        """The records from `start` up to `stop`."""
        columns = {}
        for metric, (rows, values) in self.columns.items():
            low, high = np.searchsorted(rows, (start, stop))
            if low < high:
                columns[metric] = Column(rows[low:high] - start, values[low:high])
        cut = slice(start, stop)
        return Points(self.steps[cut], self.clocks[cut], self.lags[cut], self.writers[cut], self.names, columns)

    def after(self, cursor: PointOrder) -> "Points":
        """The records behind a place."""
        return self.rows_between(bisect_right(range(len(self)), cursor, key=self.order_key), len(self))

    def select_metric(self, metric: str) -> "Points":
        """The records that have a metric, and that column alone."""
        rows, values = self.columns[metric]
        columns = {metric: Column(np.arange(len(rows)), values)}
        return Points(self.steps[rows], self.clocks[rows], self.lags[rows], self.writers[rows], self.names, columns)

    @classmethod
    def merge(cls, parts: Sequence["Points"]) -> "Points":
        """All records of all parts, in order."""
        if len(parts) == 1:
            return parts[0].in_order()
        names = sorted(set(chain.from_iterable(part.names for part in parts)))
        starts = np.cumsum([0, *(len(part) for part in parts)])
        columns: dict[str, list[Column]] = {}
        for start, part in zip(starts, parts, strict=False):
            for metric, (rows, values) in part.columns.items():
                columns.setdefault(metric, []).append(Column(rows + start, values))
        return cls(
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.clocks for part in parts]),
            np.concatenate([part.lags for part in parts]),
            np.concatenate([np.array([names.index(name) for name in part.names])[part.writers] for part in parts]),
            names,
            {metric: Column(*map(np.concatenate, zip(*pieces, strict=True))) for metric, pieces in columns.items()},
        ).in_order()

    def in_order(self) -> "Points":
        """The same records, sorted; `names` is sorted already, so its indexes order writers."""
        steps, clocks, writers = self.steps, self.clocks, self.writers
        later = (steps[1:] > steps[:-1]) | (
            (steps[1:] == steps[:-1]) & ((clocks[1:] > clocks[:-1]) | ((clocks[1:] == clocks[:-1]) & (writers[1:] >= writers[:-1])))
        )
        if later.all():
            return self
        order = np.lexsort((writers, clocks, steps))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        columns = {}
        for metric, (rows, values) in self.columns.items():
            moved = place[rows]
            by_row = np.argsort(moved, kind="stable")
            columns[metric] = Column(moved[by_row], values[by_row])
        return Points(steps[order], clocks[order], self.lags[order], writers[order], self.names, columns)


def group_points(writer: str, records: Iterable[tuple[FlatMetrics, int]]) -> list[Points]:
    """The points of one writer's records, each with its clock.

    Records that log the same metrics, as nearly all do, become one matrix.
    """
    groups: dict[tuple[str, ...], list[tuple[FlatMetrics, int]]] = {}
    for pair in records:
        groups.setdefault(tuple(pair[0].values), []).append(pair)
    return [build_matrix_points(writer, metrics, pairs) for metrics, pairs in groups.items()]


def build_matrix_points(writer: str, metrics: tuple[str, ...], pairs: list[tuple[FlatMetrics, int]]) -> Points:
    """The points of records that log the same metrics."""
    n = len(pairs)
    flat = chain.from_iterable(record.values.values() for record, _ in pairs)
    table = np.fromiter(flat, np.float64, n * len(metrics)).reshape(n, len(metrics))
    clocks = np.fromiter((clock for _, clock in pairs), np.int64, n)
    rows = np.arange(n)
    return Points(
        steps=np.fromiter((record.step for record, _ in pairs), np.int64, n),
        clocks=clocks,
        lags=clocks - np.fromiter((record.time for record, _ in pairs), np.int64, n),
        writers=np.zeros(n, np.int64),
        names=[writer],
        columns={metric: Column(rows, np.ascontiguousarray(table[:, place])) for place, metric in enumerate(metrics)},
    )


def split_points(points: Points, size: int) -> Iterator[Points]:
    """The points in parts of at most `size` records."""
    for start in range(0, len(points), size):
        yield points.rows_between(start, min(start + size, len(points)))


class Series(NamedTuple):
    """One metric of one run, by (step, time): float64 values, int64 steps, int64 microseconds UTC."""

    steps: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
