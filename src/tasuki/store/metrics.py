"""Metrics in three pieces: a tail of batches as they came, blocks of 4096 records folded from it, and a summary per metric."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import apsw
import numpy as np

from tasuki.store.chunk import (
    axis_points,
    axis_steps,
    column_from_bytes,
    column_to_bytes,
    pack_axis,
    pack_points,
    unpack_points,
)
from tasuki.store.points import Column, Line, Order, Points, pieces
from tasuki.store.sql import one, rows

__all__ = ["BLOCK_RECORDS", "FOLD_RECORDS", "MetricIds", "append", "fold", "read_line", "read_points", "remove"]

BLOCK_RECORDS = 4096
FOLD_RECORDS = 2048


LINE_BLOCKS = """
SELECT axis, data FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = (SELECT id FROM metric WHERE name = ?2) AND (?3 IS NULL OR last_step >= ?3)
    AND (?4 IS NULL OR last_step <= (SELECT min(last_step) FROM block WHERE run = ?1 AND last_step > ?4)
        OR NOT EXISTS (SELECT 1 FROM block WHERE run = ?1 AND last_step > ?4))
ORDER BY last_step, last_clock, last_writer
"""
NO_STEPS, NO_VALUES = np.empty(0, np.int64), np.empty(0, np.float64)


def summary_upsert() -> str:
    """The statement that merges one batch's summary into what is kept: commutative, so batches may come in any order."""
    order = "{side}_step, {side}_clock, {side}_writer"
    new = "excluded.{side}_step, excluded.{side}_clock, excluded.{side}_writer"
    kept = "summary.{side}_step, summary.{side}_clock, summary.{side}_writer"
    wins = {
        "first": f"({new}) < ({kept})",
        "last": f"({new}) > ({kept})",
        "min": f"summary.min IS NULL OR excluded.min < summary.min OR (excluded.min = summary.min AND ({new}) < ({kept}))",
        "max": f"summary.max IS NULL OR excluded.max > summary.max OR (excluded.max = summary.max AND ({new}) < ({kept}))",
    }
    sets, columns = ["n = n + excluded.n"], ["run", "metric", "n"]
    for side, better in wins.items():
        names = [side, *order.format(side=side).split(", ")]
        columns += names
        sets += [f"{name} = CASE WHEN {better.format(side=side)} THEN excluded.{name} ELSE summary.{name} END" for name in names]
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO summary ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT (run, metric) DO UPDATE SET {', '.join(sets)}"


MERGE_SUMMARY = summary_upsert()


class MetricIds:
    """Names of metrics as small numbers, within one transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.ids: dict[str, int] = {}

    def of(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of these names; new names get one."""
        for name in names:
            if name not in self.ids:
                self.db.execute("INSERT INTO metric (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
                (self.ids[name],) = one(self.db, "SELECT id FROM metric WHERE name = ?", (name,))
        return self.ids


def append(db: apsw.Connection, run: int, points: Points, tail_records: int, ids: MetricIds) -> int:
    """Add a batch to a run; returns how many records its tail has then."""
    numbers = ids.of(points.columns)
    db.executemany(MERGE_SUMMARY, summaries(run, points, numbers))
    if tail_records + len(points) >= FOLD_RECORDS:
        fold(db, run, ids, points)
        return 0
    db.execute("INSERT INTO tail (run, records, data) VALUES (?, ?, ?)", (run, len(points), pack_points(points, numbers)))
    return tail_records + len(points)


def summaries(run: int, points: Points, ids: dict[str, int]) -> Iterator[tuple[object, ...]]:
    """A row per metric of a batch."""
    for metric, (places, values) in points.columns.items():
        numbers = np.flatnonzero(~np.isnan(values))
        row: list[object] = [run, ids[metric], len(values), real(values[0]), *points.order(places[0])]
        row += [real(values[-1]), *points.order(places[-1])]
        if len(numbers):
            for at in (numbers[values[numbers].argmin()], numbers[values[numbers].argmax()]):
                row += [float(values[at]), *points.order(places[at])]
        else:
            row += [None] * 8
        yield tuple(row)


def real(value: np.float64) -> float | None:
    """A float for SQL; NaN is NULL."""
    return None if np.isnan(value) else float(value)


def fold(db: apsw.Connection, run: int, ids: MetricIds, new: Points | None = None) -> None:
    """Make blocks of the run's tail and of `new`, together with the blocks that they overlap and the last one if it has room."""
    tail = list(tail_points(db, run))
    parts = tail + ([new] if new is not None else [])
    if not parts:
        return
    points = Points.merge(parts)
    replaced = overlapped(db, run, points.order(0))
    if replaced:
        points = Points.merge([*(read_block(db, block) for block in replaced), points])
        remove_blocks(db, replaced)
    numbers = ids.of(points.columns)
    for part in pieces(points, BLOCK_RECORDS):
        store_block(db, run, part, numbers)
    db.execute("DELETE FROM tail WHERE run = ?", (run,))


def overlapped(db: apsw.Connection, run: int, first: Order) -> list[int]:
    """The blocks with records at or behind `first`, and a last one that is not full."""
    blocks = db.execute("SELECT id FROM block WHERE run = ? AND (last_step, last_clock, last_writer) >= (?, ?, ?)", (run, *first))
    ids = [block for (block,) in blocks]
    last = db.execute(
        "SELECT id, records FROM block WHERE run = ? ORDER BY last_step DESC, last_clock DESC, last_writer DESC LIMIT 1",
        (run,),
    ).fetchone()
    if last is not None and last[1] < BLOCK_RECORDS and last[0] not in ids:
        ids.append(last[0])
    return ids


def store_block(db: apsw.Connection, run: int, points: Points, ids: dict[str, int]) -> None:
    """One block and its chunks."""
    db.execute(
        "INSERT INTO block (run, records, last_step, last_clock, last_writer, axis) VALUES (?, ?, ?, ?, ?, ?)",
        (run, len(points), *points.order(-1), pack_axis(points)),
    )
    block = db.last_insert_rowid()
    db.executemany(
        "INSERT INTO chunk (block, metric, points, data) VALUES (?, ?, ?, ?)",
        (
            (block, ids[metric], len(column.values), column_to_bytes(column, len(points)))
            for metric, column in points.columns.items()
        ),
    )


def read_block(db: apsw.Connection, block: int) -> Points:
    """A whole block."""
    (axis,) = one(db, "SELECT axis FROM block WHERE id = ?", (block,))
    points = axis_points(axis)
    chunks = db.execute("SELECT name, data FROM chunk JOIN metric ON metric.id = chunk.metric WHERE block = ?", (block,))
    points.columns = {name: column_from_bytes(data) for name, data in chunks}
    return points


def remove_blocks(db: apsw.Connection, blocks: Sequence[int]) -> None:
    """Forget blocks and their chunks."""
    for table, key in (("chunk", "block"), ("block", "id")):
        db.executemany(f"DELETE FROM {table} WHERE {key} = ?", ((block,) for block in blocks))


def remove(db: apsw.Connection, run: int) -> None:
    """Forget all of a run's metrics."""
    remove_blocks(db, [block for (block,) in db.execute("SELECT id FROM block WHERE run = ?", (run,))])
    for table in ("tail", "summary"):
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))


def tail_points(db: apsw.Connection, run: int) -> Iterator[Points]:
    """The batches of a run's tail."""
    batches = rows(db, "SELECT data FROM tail WHERE run = ? ORDER BY id", (run,))
    names = dict(rows(db, "SELECT id, name FROM metric")) if batches else {}
    for (data,) in batches:
        yield unpack_points(data, names)


def read_points(db: apsw.Connection, run: int, metric: str | None = None) -> Points | None:
    """All of a run's records, or those that have one metric and only that column; None if there are none.

    To be called within a read transaction: blocks and tail belong together.
    """
    parts = list(block_parts(db, run, metric))
    for points in tail_points(db, run):
        if metric is None:
            parts.append(points)
        elif column := points.columns.get(metric):
            points.columns = {metric: column}
            parts.append(points)
    return Points.merge(parts) if parts else None


def read_line(db: apsw.Connection, run: int, metric: str, first: int | None = None, last: int | None = None) -> Line | None:
    """One metric's steps and values, in order, at least those from `first` to `last`; None if it was never logged.

    For charts: blocks do not overlap, so clocks and writers need not be read, unless the tail reaches back into them.
    """
    tail = [points for points in tail_points(db, run) if metric in points.columns]
    parts = [block_line(axis, data) for axis, data in rows(db, LINE_BLOCKS, (run, metric, first, last))]
    if tail:
        latest = line_of(Points.merge(tail), metric)
        if parts and latest.steps[0] <= parts[-1].steps[-1]:
            points = read_points(db, run, metric)
            return None if points is None else line_of(points, metric)
        parts.append(latest)
    if not parts:
        return Line(NO_STEPS, NO_VALUES) if is_logged(db, run, metric) else None
    return Line(np.concatenate([part.steps for part in parts]), np.concatenate([part.values for part in parts]))


def block_line(axis: bytes, data: bytes) -> Line:
    """One metric of one block."""
    steps, column = axis_steps(axis), column_from_bytes(data)
    return Line(steps if len(column.rows) == len(steps) else steps[column.rows], column.values)


def line_of(points: Points, metric: str) -> Line:
    """One metric of some points."""
    column = points.columns[metric]
    return Line(points.steps[column.rows], column.values)


def is_logged(db: apsw.Connection, run: int, metric: str) -> bool:
    """Whether a run has a metric at all."""
    found = one(db, "SELECT 1 FROM summary JOIN metric ON id = summary.metric WHERE run = ? AND name = ?", (run, metric))
    return found is not None


def block_parts(db: apsw.Connection, run: int, metric: str | None) -> Iterator[Points]:
    """The blocks of a run, with all columns or with one."""
    columns: dict[int, dict[str, Column]] = defaultdict(dict)
    chunks = db.execute(
        "SELECT block, name, data FROM block JOIN chunk ON chunk.block = block.id JOIN metric ON metric.id = chunk.metric"
        " WHERE block.run = ?1 AND (?2 IS NULL OR metric.name = ?2)",
        (run, metric),
    )
    for block, name, data in chunks:
        columns[block][name] = column_from_bytes(data)
    axes = db.execute("SELECT id, axis FROM block WHERE run = ? ORDER BY last_step, last_clock, last_writer", (run,))
    for block, axis in axes:
        if metric is None or block in columns:
            points = axis_points(axis)
            points.columns = columns[block]
            yield points
