"""Read a series for a chart: its rollup, and the points of only those chunks that columns cut through."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import apsw
import numpy as np

from tasuki.database.sqlite import fetch_one
from tasuki.store.series.chunk_codec import column_from_bytes, unpack_axis_steps
from tasuki.store.series.downsample import ChartColumns, Grid, build_chart_columns, find_cut_groups
from tasuki.store.series.points import ChartLine, Points
from tasuki.store.series.read import read_points
from tasuki.store.series.rollups import GROUP_POINTS, Rollup, make_rollup, unpack_rollups
from tasuki.store.series.tail import read_tail

__all__ = ["ChartReader", "open_chart_reader"]

SELECT_CHUNKS = """
SELECT block.id, points, outline FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = ?2 AND (?3 IS NULL OR last_step >= ?3)
    AND (?4 IS NULL OR last_step <= (SELECT min(last_step) FROM block WHERE run = ?1 AND last_step > ?4)
        OR NOT EXISTS (SELECT 1 FROM block WHERE run = ?1 AND last_step > ?4))
ORDER BY last_step, last_clock, last_writer
"""
SELECT_CHUNK_DATA = """
SELECT axis, data FROM json_each(?1) asked CROSS JOIN block ON block.id = asked.value
CROSS JOIN chunk ON chunk.block = block.id AND chunk.metric = ?2 ORDER BY asked.key
"""
EMPTY_ROLLUP = make_rollup(ChartLine(np.empty(0, np.int64), np.empty(0)))


class ChunkHead(NamedTuple):
    """A chunk as a chart first sees it."""

    block: int
    points: int
    rollup: bytes | None


class ChartReader:
    """One metric of one run for a chart, within the read transaction that began it."""

    def __init__(self, db: apsw.Connection, metric: int, chunks: Sequence[ChunkHead], tail_rollup: Rollup) -> None:
        self.db = db
        self.metric = metric
        self.blocks = [chunk.block for chunk in chunks]
        parts = [self.read_rollup(list(alike), seen) for seen, alike in groupby(chunks, key=lambda chunk: chunk.rollup is not None)]
        self.rollup = Rollup.join([*(outline for outline, _ in parts), tail_rollup])
        self.chunk_starts = np.cumsum([0, *(size for _, sizes in parts for size in sizes)])
        """Where in the outline each chunk begins; behind the last lie the tail's points."""

    def read_rollup(self, chunks: list[ChunkHead], has_rollups: bool) -> tuple[Rollup, list[int]]:
        """The outline of chunks all of which have one, or none, and how many groups each has there."""
        if not has_rollups:
            return self.load_points([chunk.block for chunk in chunks]), [chunk.points for chunk in chunks]
        packed = [(chunk.points, chunk.rollup) for chunk in chunks if chunk.rollup is not None]
        return unpack_rollups(packed), [-(-points // GROUP_POINTS) for points, _ in packed]

    def load_points(self, blocks: list[int]) -> Rollup:
        """All points of some chunks."""
        found = [decode_chart_line(axis, data) for axis, data in self.db.execute(SELECT_CHUNK_DATA, (str(blocks), self.metric))]
        return make_rollup(ChartLine(*map(np.concatenate, zip(*found, strict=True))))

    def downsample(self, grid: Grid) -> ChartColumns:
        """The series on a grid: exactly what all its points give there."""
        torn = np.zeros(len(self.blocks) + 1, np.bool_)
        torn[np.searchsorted(self.chunk_starts, find_cut_groups(self.rollup, grid), side="right") - 1] = True
        if not torn.any():
            return build_chart_columns(self.rollup, grid)
        parts = []
        for is_torn, numbers in groupby(range(len(torn)), key=torn.__getitem__):
            chunks = list(numbers)
            if is_torn:
                parts.append(self.load_points([self.blocks[number] for number in chunks]))
            else:
                end = len(self.rollup.first_steps) if chunks[-1] == len(self.blocks) else int(self.chunk_starts[chunks[-1] + 1])
                parts.append(self.rollup.groups_between(int(self.chunk_starts[chunks[0]]), end))
        return build_chart_columns(Rollup.join(parts), grid)


def open_chart_reader(
    db: apsw.Connection, run: int, metric: str, first: int | None = None, last: int | None = None
) -> ChartReader | None:
    """One metric for a chart of at least the steps from `first` to `last`; None if it was never logged.

    Blocks do not overlap, so clocks and writers need not be read, unless the tail reaches back into them.
    """
    logged = fetch_one(db, "SELECT id FROM summary JOIN metric ON id = summary.metric WHERE run = ? AND name = ?", (run, metric))
    if logged is None:
        return None
    (number,) = logged
    chunks = [ChunkHead(*row) for row in db.execute(SELECT_CHUNKS, (run, number, first, last))]
    tail = [points for points in read_tail(db, run) if metric in points.columns]
    if not tail:
        return ChartReader(db, number, chunks, EMPTY_ROLLUP)
    latest = extract_chart_line(Points.merge(tail), metric)
    sketch = ChartReader(db, number, chunks, make_rollup(latest))
    lasts = sketch.rollup.last_steps[: sketch.chunk_starts[-1]]
    if len(lasts) and latest.steps[0] <= lasts[-1]:
        points = read_points(db, run, metric)
        return None if points is None else ChartReader(db, number, [], make_rollup(extract_chart_line(points, metric)))
    return sketch


def decode_chart_line(axis: bytes, data: bytes) -> ChartLine:
    """One metric of one block."""
    steps, column = unpack_axis_steps(axis), column_from_bytes(data)
    return ChartLine(steps if len(column.rows) == len(steps) else steps[column.rows], column.values)


def extract_chart_line(points: Points, metric: str) -> ChartLine:
    """One metric of some points."""
    column = points.columns[metric]
    return ChartLine(points.steps[column.rows], column.values)
