"""Read a run's series: folded blocks merged with the tail."""

from collections.abc import Iterable, Iterator
from itertools import chain

import apsw
import numpy as np

from tasuki.database.sqlite import one, rows
from tasuki.store.series.blocks import block_parts, blocks_behind
from tasuki.store.series.chunk_codec import axis_times, column_from_bytes
from tasuki.store.series.points import PointOrder, Points, Series
from tasuki.store.series.tail import tail_points

__all__ = ["count_records", "read_page", "read_points", "read_series"]

SERIES_CHUNKS = """
SELECT axis, data, last_step, points FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = (SELECT id FROM metric WHERE name = ?2)
ORDER BY last_step, last_clock, last_writer
"""
RECORDS = """
SELECT (SELECT coalesce(sum(records), 0) FROM block WHERE run = ?1) + (SELECT coalesce(sum(records), 0) FROM tail WHERE run = ?1)
"""
RECORDS_WITH = """
SELECT coalesce(sum(points), 0) FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = (SELECT id FROM metric WHERE name = ?2)
"""


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


def read_page(db: apsw.Connection, run: int, metric: str | None, limit: int, behind: PointOrder | None) -> Points | None:
    """The first records behind a place, `limit` of them and, if there are more, at least one; None if there is none.

    Only the blocks that they are in are read. With `metric` only the records that have it, and only that column.
    """
    parts = list(cut_off(tail_points(db, run), metric, behind))
    found = 0
    for part in cut_off(blocks_behind(db, run, behind, metric), metric, behind):
        parts.append(part)
        found += len(part)
        if found > limit:
            break
    return Points.merge(parts) if parts else None


def cut_off(parts: Iterable[Points], metric: str | None, behind: PointOrder | None) -> Iterator[Points]:
    """What is asked for of some points."""
    for points in parts:
        if metric is None or metric in points.columns:
            chosen = points if metric is None else points.having(metric)
            if len(rest := chosen if behind is None else chosen.in_order().behind(behind)):
                yield rest


def count_records(db: apsw.Connection, run: int, metric: str | None) -> int:
    """How many records of a run have a metric, or any."""
    if metric is None:
        return int(one(db, RECORDS, (run,))[0])
    in_tail = (len(points.columns[metric].rows) for points in tail_points(db, run) if metric in points.columns)
    return int(one(db, RECORDS_WITH, (run, metric))[0]) + sum(in_tail)


def read_series(db: apsw.Connection, run: int, metric: str) -> Series | None:
    """One metric's points, in order; None if it was never logged. Blocks do not overlap, so nothing is sorted but the tail."""
    tail = [points for points in tail_points(db, run) if metric in points.columns]
    found = rows(db, SERIES_CHUNKS, (run, metric))
    latest = Points.merge(tail) if tail else None
    if found and latest is not None and int(latest.steps[0]) <= found[-1][2]:
        points = read_points(db, run, metric)
        return None if points is None else series_of(points, metric)
    series = [] if latest is None else [series_of(latest, metric)]
    size = sum(points for *_, points in found) + sum(len(one.steps) for one in series)
    whole = Series(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.float64))
    start = 0
    for part in chain((block_series(axis, data) for axis, data, *_ in found), series):
        end = start + len(part.values)
        for target, values in zip(whole, part, strict=True):
            target[start:end] = values
        start = end
    return whole if size else None


def block_series(axis: bytes, data: bytes) -> Series:
    """One metric of one block."""
    (steps, times), column = axis_times(axis), column_from_bytes(data)
    if len(column.rows) == len(steps):
        return Series(steps, times, column.values)
    return Series(steps[column.rows], times[column.rows], column.values)


def series_of(points: Points, metric: str) -> Series:
    """One metric of some points."""
    column = points.columns[metric]
    return Series(points.steps[column.rows], (points.clocks - points.lags)[column.rows], column.values)
