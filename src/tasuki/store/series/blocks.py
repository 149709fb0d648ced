"""Blocks: 4096 records of a run in order, a chunk per metric. Blocks of a run do not overlap."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import apsw

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.store.series.chunk_codec import column_from_bytes, column_to_bytes, pack_axis, unpack_axis_points
from tasuki.store.series.points import ChartLine, Column, PointOrder, Points, split_points
from tasuki.store.series.rollups import pack_rollup

__all__ = [
    "BLOCK_RECORDS",
    "find_overlapping_blocks",
    "read_block",
    "read_blocks",
    "read_blocks_after",
    "remove_blocks",
    "store_blocks",
]

BLOCK_RECORDS = 4096


def find_overlapping_blocks(db: apsw.Connection, run: int, first: PointOrder) -> list[int]:
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


def store_blocks(db: apsw.Connection, run: int, points: Points, ids: dict[str, int]) -> None:
    """Points as blocks."""
    for part in split_points(points, BLOCK_RECORDS):
        store_block(db, run, part, ids)


def store_block(db: apsw.Connection, run: int, points: Points, ids: dict[str, int]) -> None:
    """One block and its chunks."""
    db.execute(
        "INSERT INTO block (run, records, last_step, last_clock, last_writer, axis) VALUES (?, ?, ?, ?, ?, ?)",
        (run, len(points), *points.order_key(-1), pack_axis(points)),
    )
    block = db.last_insert_rowid()
    db.executemany(
        "INSERT INTO chunk (block, metric, points, outline, data) VALUES (?, ?, ?, ?, ?)",
        (
            (block, ids[metric], len(column.values), pack_column_rollup(points, column), column_to_bytes(column, len(points)))
            for metric, column in points.columns.items()
        ),
    )


def pack_column_rollup(points: Points, column: Column) -> bytes | None:
    """The outline of one of the columns."""
    whole = len(column.rows) == len(points)
    return pack_rollup(ChartLine(points.steps if whole else points.steps[column.rows], column.values))


def read_block(db: apsw.Connection, block: int, metric: str | None = None) -> Points:
    """A block, with all columns or with one."""
    (axis,) = fetch_one(db, "SELECT axis FROM block WHERE id = ?", (block,))
    points = unpack_axis_points(axis)
    chunks = db.execute(
        "SELECT name, data FROM chunk JOIN metric ON metric.id = chunk.metric WHERE block = ?1 AND (?2 IS NULL OR name = ?2)",
        (block, metric),
    )
    points.columns = {name: column_from_bytes(data) for name, data in chunks}
    return points


def remove_blocks(db: apsw.Connection, blocks: Sequence[int]) -> None:
    """Forget blocks and their chunks."""
    for table, key in (("chunk", "block"), ("block", "id")):
        db.executemany(f"DELETE FROM {table} WHERE {key} = ?", ((block,) for block in blocks))


def read_blocks_after(db: apsw.Connection, run: int, after: PointOrder | None, metric: str | None) -> Iterator[Points]:
    """Yield the blocks of a run with records after a place, in order, with all columns or one.

    Each read lazily.
    """
    found = fetch_all(
        db,
        "SELECT id FROM block WHERE run = ?1 AND (?2 IS NULL OR (last_step, last_clock, last_writer) > (?2, ?3, ?4))"
        " ORDER BY last_step, last_clock, last_writer",
        (run, *(after or (None, None, None))),
    )
    for (block,) in found:
        yield read_block(db, block, metric)


def read_blocks(db: apsw.Connection, run: int, metric: str | None) -> Iterator[Points]:
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
            points = unpack_axis_points(axis)
            points.columns = columns[block]
            yield points
