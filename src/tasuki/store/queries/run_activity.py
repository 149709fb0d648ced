"""Activity of running runs, to detect runs that stall."""

from typing import NamedTuple

import apsw

from tasuki.database.sqlite import fetch_all

__all__ = ["RunActivity", "read_activity_since"]

SELECT_RECENT_RUNS = """
SELECT project, id,
    (SELECT coalesce(sum(n), 0) FROM summary JOIN metric ON metric.id = summary.metric
        WHERE summary.run = run.key AND metric.name NOT LIKE 'system/%'),
    (SELECT coalesce(sum(done), 0) FROM run_progress WHERE run_progress.run = run.key)
FROM run WHERE updated > ?
"""
"""The machine's load is logged whether the run goes on or not."""


class RunActivity(NamedTuple):
    """Number of values that a run logged, and of loop rounds that it reported."""

    project: str
    run: str
    points: int
    done: int


def read_activity_since(db: apsw.Connection, time: int) -> list[RunActivity]:
    """Return the runs with any record since a time (microseconds UTC), heartbeats included."""
    return [RunActivity(*row) for row in fetch_all(db, SELECT_RECENT_RUNS, (time,))]
