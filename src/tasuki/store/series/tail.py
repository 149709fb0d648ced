"""Metrics in three pieces: a tail of batches, blocks of 4,096 records folded from it, and summaries."""

from collections.abc import Iterable, Iterator

import apsw

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.store.series.blocks import find_overlapping_blocks, read_block, remove_blocks, store_blocks
from tasuki.store.series.chunk_codec import pack_points, unpack_points
from tasuki.store.series.points import Points
from tasuki.store.series.summary import MAX_TIME, MERGE_SUMMARY, summarize_points
from tasuki.store.series.summary_cache import cache_summaries

__all__ = ["FOLD_RECORDS", "Tail", "read_tail", "remove_metrics"]

FOLD_RECORDS = 2048

SETTLE_SUMMARIES = f"""
UPDATE summary SET settled = 1, (project, born) = (
    SELECT project.id, coalesce(created, {MAX_TIME}) FROM run JOIN project ON project.name = run.project WHERE key = ?1
) WHERE run = ?1 AND NOT settled
"""


class Tail:
    """Adding to runs within one transaction: new batches are kept until `write`, or until they are folded."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.ids: dict[str, int] = {}
        self.batches: list[tuple[int, Points]] = []
        self.unsettled_runs: set[int] = set()

    def metric_ids(self, names: Iterable[str]) -> dict[str, int]:
        """The small numbers of these metrics; new ones get one."""
        for name in names:
            if name not in self.ids:
                self.db.execute("INSERT INTO metric (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
                (self.ids[name],) = fetch_one(self.db, "SELECT id FROM metric WHERE name = ?", (name,))
        return self.ids

    def append(self, run: int, points: Points, tail_records: int) -> int:
        """Add a batch to a run; returns how many records its tail has then."""
        self.db.executemany(MERGE_SUMMARY, summarize_points(run, points, self.metric_ids(points.columns)))
        self.unsettled_runs.add(run)
        if tail_records + len(points) >= FOLD_RECORDS:
            self.fold_run(run, points)
            return 0
        self.batches.append((run, points))
        return tail_records + len(points)

    def write(self) -> None:
        """Put the batches into the table."""
        self.db.executemany(
            "INSERT INTO tail (run, records, data) VALUES (?, ?, ?)",
            [(run, len(points), pack_points(points, self.ids)) for run, points in self.batches],
        )
        self.db.executemany("DELETE FROM settled WHERE run = ?", [(run,) for run in self.unsettled_runs])
        self.batches.clear()
        self.unsettled_runs.clear()

    def settle_run(self, run: int) -> None:
        """Nothing more is expected of a run soon: make blocks of its tail, and put its summaries in order."""
        self.fold_run(run)
        self.db.execute("INSERT INTO project (name) SELECT project FROM run WHERE key = ? ON CONFLICT DO NOTHING", (run,))
        self.db.execute(SETTLE_SUMMARIES, (run,))
        if self.db.changes():
            cache_summaries(self.db, run)

    def fold_run(self, run: int, new: Points | None = None) -> None:
        """Fold the tail and `new` into blocks, with the blocks that they overlap, and a last one with room."""
        self.write()
        parts = [*read_tail(self.db, run), *([] if new is None else [new])]
        if not parts:
            return
        points = Points.merge(parts)
        replaced = find_overlapping_blocks(self.db, run, points.order_key(0))
        if replaced:
            points = Points.merge([*(read_block(self.db, block) for block in replaced), points])
            remove_blocks(self.db, replaced)
        self.db.execute("DELETE FROM tail WHERE run = ?", (run,))  # first: what takes its place fits into its pages
        store_blocks(self.db, run, points, self.metric_ids(points.columns))


def remove_metrics(db: apsw.Connection, run: int) -> None:
    """Forget all of a run's metrics."""
    remove_blocks(db, [block for (block,) in db.execute("SELECT id FROM block WHERE run = ?", (run,))])
    for table in ("tail", "summary", "settled"):
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))


def read_tail(db: apsw.Connection, run: int) -> Iterator[Points]:
    """The batches of a run's tail."""
    batches = fetch_all(db, "SELECT data FROM tail WHERE run = ? ORDER BY id", (run,))
    names = dict(fetch_all(db, "SELECT id, name FROM metric")) if batches else {}
    for (data,) in batches:
        yield unpack_points(data, names)
