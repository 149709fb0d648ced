"""SQL statements of the queries: runs, summaries, best runs, projects, alerts."""

import math
from typing import Literal, NamedTuple

from tasuki.store.series.summary import MAX_TIME

__all__ = [
    "ALERTS",
    "ALERT_ARRIVAL",
    "ALERT_LEVELS",
    "BEST_STATEMENTS",
    "JOB_OF_ATTEMPT",
    "METRIC_RANGES",
    "NEWEST_FIRST",
    "NOTE_COUNT",
    "OLDEST_FIRST",
    "OPEN_STOP_REQUESTS",
    "PROJECTS",
    "PROJECT_EXISTS",
    "RENUMBER_ALERTS",
    "RUNS_BY_ID",
    "RUN_IDS_BY_NAME",
    "RUN_IDS_BY_PREFIX",
    "RUN_NAMES",
    "RUN_STATUSES",
    "RUN_TEXTS",
    "SETTLED_SUMMARIES",
    "SETTLED_SUMMARIES_OF_RUNS",
    "SILENT_AFTER_US",
    "SUMMARIES",
    "SUMMARIES_OF_RUN",
    "SUMMARIES_OF_RUNS",
    "BestRuns",
]

SELECT_RUNS = """
SELECT run.key, run.id, run.name, run.group_name, run.notes, run.tags, run.config, run.created, run.updated, run.points, run.lost,
    a.attempt, a.environment, a.status, a.reason, a.status_clock,
    (SELECT count(*) FROM run_attempt b WHERE b.run = run.key AND b.clock IS NOT NULL),
    s.clock, s.reason, s.asked_by, p.clock, p.done, p.total, p.rate
FROM ({runs}) run
LEFT JOIN run_attempt a ON a.run = run.key AND a.attempt = ({latest})
LEFT JOIN run_stop s ON s.run = run.key AND s.attempt = a.attempt
LEFT JOIN run_progress p ON p.run = run.key AND p.attempt = a.attempt
ORDER BY born {direction}, run.id {direction}
"""
LATEST_ATTEMPT = (
    "SELECT attempt FROM run_attempt b WHERE b.run = run.key ORDER BY b.clock IS NULL, b.clock DESC, b.writer DESC LIMIT 1"
)
RUN_PAGE = """
SELECT *, coalesce(created, {last}) AS born FROM run
WHERE project = ?1 AND (?2 IS NULL OR (coalesce(created, {last}), id) {behind} (?2, ?3))
ORDER BY coalesce(created, {last}) {direction}, id {direction} LIMIT ?4
"""
RUNS_WITH_IDS = """
SELECT run.*, coalesce(created, {last}) AS born FROM (SELECT DISTINCT value FROM json_each(?2)) asked
CROSS JOIN run ON run.project = ?1 AND run.id = asked.value
"""


def build_runs_statement(runs: str, behind: str, direction: str) -> str:
    """The statement for some runs, in an order."""
    chosen = runs.format(last=MAX_TIME, behind=behind, direction=direction)
    return SELECT_RUNS.format(runs=chosen, latest=LATEST_ATTEMPT, direction=direction)


OLDEST_FIRST = build_runs_statement(RUN_PAGE, ">", "ASC")
NEWEST_FIRST = build_runs_statement(RUN_PAGE, "<", "DESC")
RUNS_BY_ID = build_runs_statement(RUNS_WITH_IDS, "", "ASC")
SUMMARY_COLUMNS = "run.id, metric.name, n, first, first_step, last, last_step, last_clock, min, min_step, max, max_step"
METRIC_CONDITION = "(?3 IS NULL OR summary.metric IN (SELECT id FROM metric WHERE name IN (SELECT value FROM json_each(?3))))"
SUMMARIES = f"""
SELECT {SUMMARY_COLUMNS} FROM run JOIN summary ON summary.run = run.key JOIN metric ON metric.id = summary.metric
WHERE run.project = ?1 AND ?2 IS NULL AND {METRIC_CONDITION} ORDER BY coalesce(run.created, {MAX_TIME}), run.id, metric.name
"""
SUMMARIES_OF_RUNS = f"""
SELECT {SUMMARY_COLUMNS} FROM (SELECT DISTINCT value FROM json_each(?2)) asked
CROSS JOIN run ON run.project = ?1 AND run.id = asked.value CROSS JOIN summary ON summary.run = run.key
CROSS JOIN metric ON metric.id = summary.metric
WHERE {METRIC_CONDITION} ORDER BY coalesce(run.created, {MAX_TIME}), run.id, metric.name
"""
SETTLED_SUMMARIES = f"""
SELECT run.id, run.key, data FROM run LEFT JOIN settled ON settled.run = run.key WHERE run.project = ?1 AND ?2 IS NULL
ORDER BY coalesce(run.created, {MAX_TIME}), run.id
"""
SETTLED_SUMMARIES_OF_RUNS = f"""
SELECT run.id, run.key, data FROM (SELECT DISTINCT value FROM json_each(?2)) asked
CROSS JOIN run ON run.project = ?1 AND run.id = asked.value LEFT JOIN settled ON settled.run = run.key
ORDER BY coalesce(run.created, {MAX_TIME}), run.id
"""
SUMMARIES_OF_RUN = f"""
SELECT {SUMMARY_COLUMNS} FROM run CROSS JOIN summary ON summary.run = run.key CROSS JOIN metric ON metric.id = summary.metric
WHERE run.key = ? ORDER BY metric.name
"""
SUMMARY_JOIN = "summary CROSS JOIN run ON run.key = summary.run CROSS JOIN metric ON metric.id = summary.metric"
PROJECT_CONDITION = "summary.project = (SELECT id FROM project WHERE name = ?1)"


class BestStatements(NamedTuple):
    """Statements that find the best runs.

    The n-th value in order, its substitute if there are fewer values, the rows before it, and the rows equal to it.
    """

    nth_value: str
    default_bound: float
    better: str
    equal: str
    unsettled: str


def build_best_statements(mode: str, by: str) -> BestStatements:
    """The statements for one order."""
    direction, before, least = ("ASC", "<", math.inf) if mode == "min" else ("DESC", ">", -math.inf)
    settled = f"settled AND {PROJECT_CONDITION} AND summary.metric = ?2"
    every = f"SELECT coalesce(run.created, {MAX_TIME}), {SUMMARY_COLUMNS} FROM {SUMMARY_JOIN} WHERE"
    return BestStatements(
        f"SELECT {by} FROM summary WHERE {settled} AND {by} IS NOT NULL ORDER BY {by} {direction} LIMIT 1 OFFSET ?3",
        least,
        f"{every} {settled} AND {by} {before} ?3",
        f"{every} {settled} AND {by} = ?3 ORDER BY born, run.id LIMIT ?4",
        f"{every} NOT settled AND run.project = ?1 AND summary.metric = ?2 AND {by} IS NOT NULL",
    )


def build_extreme_run_query(side: str, value: str) -> str:
    """The run with an extreme value of a metric; of several the one that was created first."""
    runs = f"""SELECT run.id, coalesce(run.created, {MAX_TIME}) AS created FROM summary CROSS JOIN run ON run.key = summary.run
        WHERE summary.metric = found.metric AND {side} = found.{value} AND"""
    return f"""SELECT id FROM (
        SELECT * FROM ({runs} settled AND {PROJECT_CONDITION} ORDER BY born, run.id LIMIT 1)
        UNION ALL {runs} NOT settled AND run.project = ?1 ORDER BY created, id LIMIT 1)"""


BEST_STATEMENTS = {(mode, by): build_best_statements(mode, by) for mode in ("min", "max") for by in ("last", "min", "max")}
ALERTS = """
SELECT alert.writer, alert."offset", run.id, coalesce(run.name, run.id), time, level, title, text, reason, metric, value, step, data
FROM run JOIN alert ON alert.run = run.key WHERE run.project = ?1 AND (?2 IS NULL OR run.id = ?2)
    AND (?3 IS NULL OR time > ?3) AND (?4 IS NULL OR arrival > ?4) AND (?5 IS NULL OR reason = ?5)
    AND (?6 IS NULL OR level IN (SELECT value FROM json_each(?6)))
ORDER BY arrival
"""
ALERT_ARRIVAL = 'SELECT arrival FROM alert JOIN run ON run.key = alert.run WHERE project = ? AND writer = ? AND "offset" = ?'
RENUMBER_ALERTS = """
UPDATE alert SET arrival = -n FROM (SELECT arrival AS was, row_number() OVER (ORDER BY clock, writer, "offset") AS n FROM alert)
WHERE was = arrival;
UPDATE alert SET arrival = -arrival;
"""
"""Alerts that have all arrived at once, in a store that was built anew, have arrived by time."""
RUN_STATUSES = f"""
SELECT run.key, a.attempt, a.status, a.environment ->> '$.tracker', run.points, run.lost, run.created, run.updated
FROM run LEFT JOIN run_attempt a ON a.run = run.key AND a.attempt = ({LATEST_ATTEMPT}) WHERE run.project = ?
"""
METRIC_RANGES = f"""
WITH found AS MATERIALIZED (
    SELECT summary.metric, count(*) AS runs, min(min) AS low, max(max) AS high
    FROM run CROSS JOIN summary ON summary.run = run.key WHERE run.project = ?1 GROUP BY summary.metric
)
SELECT name, runs, low, ({build_extreme_run_query("min", "low")}), high, ({build_extreme_run_query("max", "high")})
FROM found JOIN metric ON metric.id = found.metric ORDER BY name
"""
ALERT_LEVELS = "SELECT level, count(*) FROM run JOIN alert ON alert.run = run.key WHERE run.project = ? GROUP BY level"
NOTE_COUNT = "SELECT count(*) FROM (SELECT DISTINCT event_id FROM note WHERE project = ?)"
RUN_IDS_BY_NAME = f"SELECT id FROM run WHERE project = ?1 AND name = ?2 ORDER BY coalesce(created, {MAX_TIME}), id"
RUN_IDS_BY_PREFIX = f"""
SELECT id FROM run WHERE project = ?1 AND substr(id, 1, length(?2)) = ?2 ORDER BY coalesce(created, {MAX_TIME}), id
"""
RUN_NAMES = f"SELECT id, coalesce(name, id) FROM run WHERE project = ? ORDER BY coalesce(created, {MAX_TIME}), id"
JOB_OF_ATTEMPT = """
SELECT job.status, job.active, job.attempt = coalesce(a.environment ->> '$.job_attempt', job.attempt) FROM run_job
JOIN job ON job.id = run_job.job JOIN run_attempt a ON a.run = run_job.run WHERE run_job.run = ?1 AND a.attempt = ?2
"""
OPEN_STOP_REQUESTS = """
SELECT project, run.id, s.attempt, s.reason, s.asked_by FROM run_stop s JOIN run ON run.key = s.run
LEFT JOIN run_attempt a ON a.run = s.run AND a.attempt = s.attempt WHERE a.status_clock IS NULL ORDER BY s.clock, s.writer
"""
RUN_TEXTS = """
SELECT attempt, name, clock, text FROM run_text WHERE run = ? AND (? IS NULL OR name = ?) ORDER BY clock, writer, "offset"
"""
PROJECTS = """
SELECT project, sum(runs), max(updated) FROM (
    SELECT project, 1 AS runs, coalesce(updated, 0) AS updated FROM run
    UNION ALL SELECT project, 0, max(clock) FROM note GROUP BY project
    UNION ALL SELECT project, 0, max(clock) FROM file WHERE run = '' GROUP BY project
) GROUP BY project ORDER BY project
"""
PROJECT_EXISTS = """
SELECT 1 WHERE EXISTS (SELECT 1 FROM run WHERE project = ?1) OR EXISTS (SELECT 1 FROM note WHERE project = ?1)
    OR EXISTS (SELECT 1 FROM file WHERE project = ?1 AND run = '')
"""
SILENT_AFTER_US = 60_000_000
"""A heartbeat comes every 30 seconds; one that is 30 seconds late means that something is wrong."""


class BestRuns(NamedTuple):
    """The `n` best runs by a metric: lowest or highest first, by last value, minimum, or maximum.

    Of equals the run that was created first is first. Runs where that is NaN are none of the best.
    """

    n: int
    mode: Literal["min", "max"] = "min"
    by: Literal["last", "min", "max"] = "last"
