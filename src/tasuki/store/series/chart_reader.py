"""A series as far as a chart reads it: its outline, and the points of only those chunks that its columns cut through."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import apsw
import numpy as np

from tasuki.database.sqlite import one
from tasuki.store.series.chunk_codec import axis_steps, column_from_bytes
from tasuki.store.series.downsample import ChartColumns, Grid, columns_of, cut
from tasuki.store.series.points import ChartLine, Points
from tasuki.store.series.read import read_points
from tasuki.store.series.rollups import GROUP, Rollup, outline_of, unpack_outlines
from tasuki.store.series.tail import tail_points

__all__ = ["ChartReader", "read_sketch"]

CHUNKS = """
SELECT block.id, points, outline FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = ?2 AND (?3 IS NULL OR last_step >= ?3)
    AND (?4 IS NULL OR last_step <= (SELECT min(last_step) FROM block WHERE run = ?1 AND last_step > ?4)
        OR NOT EXISTS (SELECT 1 FROM block WHERE run = ?1 AND last_step > ?4))
ORDER BY last_step, last_clock, last_writer
"""
DATA = """
SELECT axis, data FROM json_each(?1) asked CROSS JOIN block ON block.id = asked.value
CROSS JOIN chunk ON chunk.block = block.id AND chunk.metric = ?2 ORDER BY asked.key
"""
EMPTY = outline_of(ChartLine(np.empty(0, np.int64), np.empty(0)))


class ChunkHead(NamedTuple):
    """A chunk as a chart first sees it."""

    block: int
    points: int
    outline: bytes | None


class ChartReader:
    """One metric of one run for a chart, within the read transaction that began it."""

    def __init__(self, db: apsw.Connection, metric: int, chunks: Sequence[ChunkHead], behind: Rollup) -> None:
        self.db = db
        self.metric = metric
        self.blocks = [chunk.block for chunk in chunks]
        parts = [self.first_look(list(alike), seen) for seen, alike in groupby(chunks, key=lambda chunk: chunk.outline is not None)]
        self.outline = Rollup.join([*(outline for outline, _ in parts), behind])
        self.places = np.cumsum([0, *(size for _, sizes in parts for size in sizes)])
        """Where in the outline each chunk begins; behind the last lie the tail's points."""

    def first_look(self, chunks: list[ChunkHead], outlined: bool) -> tuple[Rollup, list[int]]:
        """The outline of chunks all of which have one, or none, and how many groups each has there."""
        if not outlined:
            return self.points([chunk.block for chunk in chunks]), [chunk.points for chunk in chunks]
        packed = [(chunk.points, chunk.outline) for chunk in chunks if chunk.outline is not None]
        return unpack_outlines(packed), [-(-points // GROUP) for points, _ in packed]

    def points(self, blocks: list[int]) -> Rollup:
        """All points of some chunks."""
        found = [chunk_line(axis, data) for axis, data in self.db.execute(DATA, (str(blocks), self.metric))]
        return outline_of(ChartLine(*map(np.concatenate, zip(*found, strict=True))))

    def on(self, grid: Grid) -> ChartColumns:
        """The series on a grid: exactly what all its points give there."""
        torn = np.zeros(len(self.blocks) + 1, np.bool_)
        torn[np.searchsorted(self.places, cut(self.outline, grid), side="right") - 1] = True
        if not torn.any():
            return columns_of(self.outline, grid)
        parts = []
        for is_torn, numbers in groupby(range(len(torn)), key=torn.__getitem__):
            chunks = list(numbers)
            if is_torn:
                parts.append(self.points([self.blocks[number] for number in chunks]))
            else:
                end = len(self.outline.firsts) if chunks[-1] == len(self.blocks) else int(self.places[chunks[-1] + 1])
                parts.append(self.outline.part(int(self.places[chunks[0]]), end))
        return columns_of(Rollup.join(parts), grid)


def read_sketch(
    db: apsw.Connection, run: int, metric: str, first: int | None = None, last: int | None = None
) -> ChartReader | None:
    """One metric for a chart of at least the steps from `first` to `last`; None if it was never logged.

    Blocks do not overlap, so clocks and writers need not be read, unless the tail reaches back into them.
    """
    logged = one(db, "SELECT id FROM summary JOIN metric ON id = summary.metric WHERE run = ? AND name = ?", (run, metric))
    if logged is None:
        return None
    (number,) = logged
    chunks = [ChunkHead(*row) for row in db.execute(CHUNKS, (run, number, first, last))]
    tail = [points for points in tail_points(db, run) if metric in points.columns]
    if not tail:
        return ChartReader(db, number, chunks, EMPTY)
    latest = line_of(Points.merge(tail), metric)
    sketch = ChartReader(db, number, chunks, outline_of(latest))
    lasts = sketch.outline.lasts[: sketch.places[-1]]
    if len(lasts) and latest.steps[0] <= lasts[-1]:
        points = read_points(db, run, metric)
        return None if points is None else ChartReader(db, number, [], outline_of(line_of(points, metric)))
    return sketch


def chunk_line(axis: bytes, data: bytes) -> ChartLine:
    """One metric of one block."""
    steps, column = axis_steps(axis), column_from_bytes(data)
    return ChartLine(steps if len(column.rows) == len(steps) else steps[column.rows], column.values)


def line_of(points: Points, metric: str) -> ChartLine:
    """One metric of some points."""
    column = points.columns[metric]
    return ChartLine(points.steps[column.rows], column.values)
