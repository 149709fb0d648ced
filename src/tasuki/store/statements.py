"""The SQL behind the questions: runs in order, summaries, the best of them, alerts."""

import math
from typing import NamedTuple

__all__ = [
    "ALERTS",
    "BEST",
    "LAST",
    "NEWEST_FIRST",
    "OLDEST_FIRST",
    "PROJECT",
    "PROJECTS",
    "SETTLED",
    "SETTLED_OF",
    "SUMMARIES",
    "SUMMARIES_OF",
    "SUMMARIES_OF_RUN",
]

RUNS = """
SELECT run.key, run.id, run.name, run.group_name, run.notes, run.tags, run.config, run.created, run.updated, run.points, run.lost,
    a.attempt, a.environment, a.status, a.reason, a.status_clock,
    (SELECT count(*) FROM run_attempt b WHERE b.run = run.key AND b.clock IS NOT NULL)
FROM (SELECT *, coalesce(created, {last}) AS born FROM run
    WHERE project = ?1 AND (?2 IS NULL OR (coalesce(created, {last}), id) {behind} (?2, ?3)) AND (?5 IS NULL OR id = ?5)
    ORDER BY coalesce(created, {last}) {direction}, id {direction} LIMIT ?4) run
LEFT JOIN run_attempt a ON a.run = run.key AND a.attempt = (
    SELECT attempt FROM run_attempt b WHERE b.run = run.key ORDER BY b.clock IS NULL, b.clock DESC, b.writer DESC LIMIT 1)
ORDER BY born {direction}, run.id {direction}
"""
LAST = 2**63 - 1
OLDEST_FIRST = RUNS.format(last=LAST, behind=">", direction="ASC")
NEWEST_FIRST = RUNS.format(last=LAST, behind="<", direction="DESC")
COLUMNS = "run.id, metric.name, n, first, first_step, last, last_step, last_clock, min, min_step, max, max_step"
FOUND_METRICS = "(?3 IS NULL OR summary.metric IN (SELECT id FROM metric WHERE name IN (SELECT value FROM json_each(?3))))"
SUMMARIES = f"""
SELECT {COLUMNS} FROM run JOIN summary ON summary.run = run.key JOIN metric ON metric.id = summary.metric
WHERE run.project = ?1 AND ?2 IS NULL AND {FOUND_METRICS} ORDER BY coalesce(run.created, {LAST}), run.id, metric.name
"""
SUMMARIES_OF = f"""
SELECT {COLUMNS} FROM (SELECT DISTINCT value FROM json_each(?2)) asked CROSS JOIN run ON run.project = ?1 AND run.id = asked.value
CROSS JOIN summary ON summary.run = run.key CROSS JOIN metric ON metric.id = summary.metric
WHERE {FOUND_METRICS} ORDER BY coalesce(run.created, {LAST}), run.id, metric.name
"""
SETTLED = f"""
SELECT run.id, run.key, data FROM run LEFT JOIN settled ON settled.run = run.key WHERE run.project = ?1 AND ?2 IS NULL
ORDER BY coalesce(run.created, {LAST}), run.id
"""
SETTLED_OF = f"""
SELECT run.id, run.key, data FROM (SELECT DISTINCT value FROM json_each(?2)) asked
CROSS JOIN run ON run.project = ?1 AND run.id = asked.value LEFT JOIN settled ON settled.run = run.key
ORDER BY coalesce(run.created, {LAST}), run.id
"""
SUMMARIES_OF_RUN = f"""
SELECT {COLUMNS} FROM run CROSS JOIN summary ON summary.run = run.key CROSS JOIN metric ON metric.id = summary.metric
WHERE run.key = ? ORDER BY metric.name
"""
JOINED = "summary CROSS JOIN run ON run.key = summary.run CROSS JOIN metric ON metric.id = summary.metric"


class Best(NamedTuple):
    """How the best runs are found: the n-th value in order, what stands for it if there are fewer, and the rows up to it."""

    nth: str
    least: float
    settled: str
    live: str


def best_statements(mode: str, by: str) -> Best:
    """The statements for one order."""
    direction, up_to, least = ("ASC", "<=", math.inf) if mode == "min" else ("DESC", ">=", -math.inf)
    of = f"run.project = ?1 AND summary.metric = ?2 AND {by} IS NOT NULL"
    every = f"SELECT coalesce(run.created, {LAST}), {COLUMNS} FROM {JOINED} WHERE {of}"
    return Best(
        f"SELECT {by} FROM {JOINED} WHERE {of} AND settled ORDER BY {by} {direction} LIMIT 1 OFFSET ?3",
        least,
        f"{every} AND settled AND {by} {up_to} ?3",
        f"{every} AND NOT settled",
    )


BEST = {(mode, by): best_statements(mode, by) for mode in ("min", "max") for by in ("last", "min", "max")}
ALERTS = """
SELECT alert.writer, alert."offset", run.id, coalesce(run.name, run.id), time, level, title, text, reason, metric, value, step, data
FROM alert JOIN run ON run.key = alert.run WHERE run.project = ?1 AND (?2 IS NULL OR run.id = ?2) ORDER BY clock, writer, "offset"
"""
PROJECTS = """
SELECT project, sum(runs), max(updated) FROM (
    SELECT project, 1 AS runs, coalesce(updated, 0) AS updated FROM run
    UNION ALL SELECT project, 0, max(clock) FROM note GROUP BY project
) GROUP BY project ORDER BY project
"""
PROJECT = "SELECT 1 WHERE EXISTS (SELECT 1 FROM run WHERE project = ?1) OR EXISTS (SELECT 1 FROM note WHERE project = ?1)"
