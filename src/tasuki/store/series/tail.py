"""Metrics in three pieces: a tail of batches as they came, blocks of 4096 records folded from it, and a summary per metric."""

from collections.abc import Iterable, Iterator

import apsw

from tasuki.database.sqlite import one, rows
from tasuki.store.series.blocks import overlapped, read_block, remove_blocks, store_blocks
from tasuki.store.series.chunk_codec import pack_points, unpack_points
from tasuki.store.series.points import Points
from tasuki.store.series.summary import LAST, MERGE_SUMMARY, summaries
from tasuki.store.series.summary_cache import settle_summaries

__all__ = ["FOLD_RECORDS", "Tail", "remove", "tail_points"]

FOLD_RECORDS = 2048

SETTLE = f"""
UPDATE summary SET settled = 1, (project, born) = (
    SELECT project.id, coalesce(created, {LAST}) FROM run JOIN project ON project.name = run.project WHERE key = ?1
) WHERE run = ?1 AND NOT settled
"""


class Tail:
    """Adding to runs within one transaction: new batches are kept until `write`, or until they are folded."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.ids: dict[str, int] = {}
        self.batches: list[tuple[int, Points]] = []
        self.unsettled: set[int] = set()

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The small numbers of these metrics; new ones get one."""
        for name in names:
            if name not in self.ids:
                self.db.execute("INSERT INTO metric (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
                (self.ids[name],) = one(self.db, "SELECT id FROM metric WHERE name = ?", (name,))
        return self.ids

    def append(self, run: int, points: Points, tail_records: int) -> int:
        """Add a batch to a run; returns how many records its tail has then."""
        self.db.executemany(MERGE_SUMMARY, summaries(run, points, self.numbers(points.columns)))
        self.unsettled.add(run)
        if tail_records + len(points) >= FOLD_RECORDS:
            self.fold(run, points)
            return 0
        self.batches.append((run, points))
        return tail_records + len(points)

    def write(self) -> None:
        """Put the batches into the table."""
        self.db.executemany(
            "INSERT INTO tail (run, records, data) VALUES (?, ?, ?)",
            [(run, len(points), pack_points(points, self.ids)) for run, points in self.batches],
        )
        self.db.executemany("DELETE FROM settled WHERE run = ?", [(run,) for run in self.unsettled])
        self.batches.clear()
        self.unsettled.clear()

    def settle(self, run: int) -> None:
        """Nothing more is expected of a run soon: make blocks of its tail, and put its summaries in order."""
        self.fold(run)
        self.db.execute("INSERT INTO project (name) SELECT project FROM run WHERE key = ? ON CONFLICT DO NOTHING", (run,))
        self.db.execute(SETTLE, (run,))
        if self.db.changes():
            settle_summaries(self.db, run)

    def fold(self, run: int, new: Points | None = None) -> None:
        """Make blocks of the run's tail and of `new`, together with the blocks that they overlap and the last if it has room."""
        self.write()
        parts = [*tail_points(self.db, run), *([] if new is None else [new])]
        if not parts:
            return
        points = Points.merge(parts)
        replaced = overlapped(self.db, run, points.order(0))
        if replaced:
            points = Points.merge([*(read_block(self.db, block) for block in replaced), points])
            remove_blocks(self.db, replaced)
        self.db.execute("DELETE FROM tail WHERE run = ?", (run,))  # first: what takes its place fits into its pages
        store_blocks(self.db, run, points, self.numbers(points.columns))


def remove(db: apsw.Connection, run: int) -> None:
    """Forget all of a run's metrics."""
    remove_blocks(db, [block for (block,) in db.execute("SELECT id FROM block WHERE run = ?", (run,))])
    for table in ("tail", "summary", "settled"):
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))


def tail_points(db: apsw.Connection, run: int) -> Iterator[Points]:
    """The batches of a run's tail."""
    batches = rows(db, "SELECT data FROM tail WHERE run = ? ORDER BY id", (run,))
    names = dict(rows(db, "SELECT id, name FROM metric")) if batches else {}
    for (data,) in batches:
        yield unpack_points(data, names)
