"""Which runs are being recorded, and how far they have come: for those who notice that one does not go on."""

from typing import NamedTuple

import apsw

from tasuki.database.sqlite import rows

__all__ = ["RunActivity", "logged_since"]

RECENT = """
SELECT project, id,
    (SELECT coalesce(sum(n), 0) FROM summary JOIN metric ON metric.id = summary.metric
        WHERE summary.run = run.key AND metric.name NOT LIKE 'system/%'),
    (SELECT coalesce(sum(done), 0) FROM run_progress WHERE run_progress.run = run.key)
FROM run WHERE updated > ?
"""
"""The machine's load is logged whether the run goes on or not."""


class RunActivity(NamedTuple):
    """How many values a run has logged, and how many rounds of its loops it has said that it has done."""

    project: str
    run: str
    points: int
    done: int


def logged_since(db: apsw.Connection, time: int) -> list[RunActivity]:
    """The runs of which anything was recorded since then (microseconds UTC), if only that their process lives."""
    return [RunActivity(*row) for row in rows(db, RECENT, (time,))]
