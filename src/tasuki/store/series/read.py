"""Read a run's series: folded blocks merged with the tail."""

from collections.abc import Iterable, Iterator
from itertools import chain

import apsw
import numpy as np

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.store.series.blocks import read_blocks, read_blocks_after
from tasuki.store.series.chunk_codec import column_from_bytes, unpack_axis_times
from tasuki.store.series.points import PointOrder, Points, Series
from tasuki.store.series.tail import read_tail

__all__ = ["count_records", "read_page", "read_points", "read_series"]

SELECT_SERIES_CHUNKS = """
SELECT axis, data, last_step, points FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = (SELECT id FROM metric WHERE name = ?2)
ORDER BY last_step, last_clock, last_writer
"""
COUNT_RECORDS = """
SELECT (SELECT coalesce(sum(records), 0) FROM block WHERE run = ?1) + (SELECT coalesce(sum(records), 0) FROM tail WHERE run = ?1)
"""
COUNT_RECORDS_WITH_METRIC = """
SELECT coalesce(sum(points), 0) FROM block JOIN chunk ON chunk.block = block.id
WHERE block.run = ?1 AND chunk.metric = (SELECT id FROM metric WHERE name = ?2)
"""


def read_points(db: apsw.Connection, run: int, metric: str | None = None) -> Points | None:
    """All of a run's records, or those that have one metric and only that column; None if there are none.

    To be called within a read transaction: blocks and tail belong together.
    """
    parts = list(read_blocks(db, run, metric))
    for points in read_tail(db, run):
        if metric is None:
            parts.append(points)
        elif column := points.columns.get(metric):
            points.columns = {metric: column}
            parts.append(points)
    return Points.merge(parts) if parts else None


def read_page(db: apsw.Connection, run: int, metric: str | None, limit: int, after: PointOrder | None) -> Points | None:
    """Return the first records after a place: `limit`, and at least one more if there are any.

    None if none.

    Only the blocks that they are in are read. With `metric` only the records that have it, and only that column.
    """
    parts = list(filter_points(read_tail(db, run), metric, after))
    found = 0
    for part in filter_points(read_blocks_after(db, run, after, metric), metric, after):
        parts.append(part)
        found += len(part)
        if found > limit:
            break
    return Points.merge(parts) if parts else None


def filter_points(parts: Iterable[Points], metric: str | None, after: PointOrder | None) -> Iterator[Points]:
    """Limit points to one metric, and to those after a place."""
    for points in parts:
        if metric is None or metric in points.columns:
            chosen = points if metric is None else points.select_metric(metric)
            if len(rest := chosen if after is None else chosen.in_order().after(after)):
                yield rest


def count_records(db: apsw.Connection, run: int, metric: str | None) -> int:
    """Count a run's records with a metric, or with any."""
    if metric is None:
        return int(fetch_one(db, COUNT_RECORDS, (run,))[0])
    in_tail = (len(points.columns[metric].rows) for points in read_tail(db, run) if metric in points.columns)
    return int(fetch_one(db, COUNT_RECORDS_WITH_METRIC, (run, metric))[0]) + sum(in_tail)


def read_series(db: apsw.Connection, run: int, metric: str) -> Series | None:
    """Return one metric's points in order; None if it was never logged.

    Blocks don't overlap: only the tail is sorted.
    """
    tail = [points for points in read_tail(db, run) if metric in points.columns]
    found = fetch_all(db, SELECT_SERIES_CHUNKS, (run, metric))
    latest = Points.merge(tail) if tail else None
    if found and latest is not None and int(latest.steps[0]) <= found[-1][2]:
        points = read_points(db, run, metric)
        return None if points is None else extract_series(points, metric)
    series = [] if latest is None else [extract_series(latest, metric)]
    size = sum(points for *_, points in found) + sum(len(one.steps) for one in series)
    whole = Series(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.float64))
    start = 0
    for part in chain((decode_series(axis, data) for axis, data, *_ in found), series):
        end = start + len(part.values)
        for target, values in zip(whole, part, strict=True):
            target[start:end] = values
        start = end
    return whole if size else None


def decode_series(axis: bytes, data: bytes) -> Series:
    """One metric of one block."""
    (steps, times), column = unpack_axis_times(axis), column_from_bytes(data)
    if len(column.rows) == len(steps):
        return Series(steps, times, column.values)
    return Series(steps[column.rows], times[column.rows], column.values)


def extract_series(points: Points, metric: str) -> Series:
    """One metric of some points."""
    column = points.columns[metric]
    return Series(points.steps[column.rows], (points.clocks - points.lags)[column.rows], column.values)
