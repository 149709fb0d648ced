"""The logical content of a projection.

Equal whatever the order, batches, and repetitions of the records.
"""

from typing import Any

import apsw
import numpy as np

from tasuki.database.sqlite import fetch_all
from tasuki.records import JOBS_PROJECT
from tasuki.store.series.points import Column, Points
from tasuki.store.series.read import read_points

__all__ = ["Dump", "dump"]

Dump = dict[tuple[str, str], dict[str, Any]]
"""By project and run: what the projection says of it. Tails, blocks, row numbers and the order of arrival are not in it."""

RUN_TABLES = {
    "fields": "SELECT field, value, clock, writer FROM run_field WHERE run = ? ORDER BY field",
    "tags": "SELECT tag, present, clock, writer FROM run_tag WHERE run = ? ORDER BY tag",
    "attempts": "SELECT attempt, clock, writer, environment, status, reason, status_clock, status_writer FROM run_attempt"
    " WHERE run = ? ORDER BY attempt",
    "attempt_writers": "SELECT attempt, writer FROM attempt_writer WHERE run = ? ORDER BY attempt, writer",
    "stops": "SELECT attempt, reason, asked_by, clock, writer FROM run_stop WHERE run = ? ORDER BY attempt",
    "progress": "SELECT attempt, done, total, rate, clock, writer FROM run_progress WHERE run = ? ORDER BY attempt",
    "texts": 'SELECT writer, "offset", clock, attempt, name, text FROM run_text WHERE run = ? ORDER BY writer, "offset"',
    "alerts": 'SELECT writer, "offset", clock, time, level, title, text, reason, metric, value, step, data FROM alert'
    ' WHERE run = ? ORDER BY writer, "offset"',
    "jobs": "SELECT job, clock, writer FROM run_job WHERE run = ? ORDER BY job",
    "summaries": "SELECT name, n, first, first_step, first_clock, first_writer, last, last_step, last_clock, last_writer,"
    " min, min_step, min_clock, min_writer, max, max_step, max_clock, max_writer"
    " FROM summary JOIN metric ON metric.id = summary.metric WHERE run = ? ORDER BY name",
}
WRITER_TABLES = {
    "streams": 'SELECT id, "offset", crc, clock, records, sealed FROM writer WHERE project = ? AND run = ? ORDER BY id',
    "rejected": 'SELECT r.writer, r."offset", reason FROM rejected r JOIN writer ON id = writer WHERE project = ? AND run = ?'
    ' ORDER BY r.writer, r."offset"',
    "unknown": 'SELECT u.writer, u."offset", kind FROM unknown u JOIN writer ON id = writer WHERE project = ? AND run = ?'
    ' ORDER BY u.writer, u."offset"',
    "notes": 'SELECT n.writer, n."offset", n.clock, n.time, kind, event_id, digest, session, category, text, content FROM note n'
    ' JOIN writer w ON w.id = n.writer WHERE w.project = ? AND w.run = ? ORDER BY n.writer, n."offset"',
    "files": 'SELECT f.writer, f."offset", f.clock, f.time, path, key, step, form, caption, sha256, size, media_type, content'
    ' FROM file f JOIN writer w ON w.id = f.writer WHERE w.project = ? AND w.run = ? ORDER BY f.writer, f."offset"',
    "holes": 'SELECT h.writer, h."offset", saved_as, place FROM hole h JOIN writer ON id = saved_as WHERE project = ? AND run = ?'
    " ORDER BY saved_as, place",
    "job_records": 'SELECT j.writer, j."offset", j.clock, j.job, j.data FROM job_record j JOIN writer ON id = j.writer'
    ' WHERE project = ? AND run = ? ORDER BY j.writer, j."offset"',
}
JOB_TABLES = {
    "jobs": "SELECT id, state FROM job ORDER BY id",
    "job_events": "SELECT job, attempt, status, raw_status, time, source FROM job_event ORDER BY job, n",
    "job_externals": "SELECT provider, account, external_id, job, attempt FROM job_external ORDER BY 1, 2, 3, 4",
    "providers": "SELECT provider, account, degraded, detail, since FROM job_provider ORDER BY 1, 2",
}


def dump(db: apsw.Connection) -> Dump:
    """Everything, run by run. To be called within a read transaction."""
    found: Dump = {}
    for project, run in fetch_all(db, "SELECT DISTINCT project, run FROM writer"):
        found[project, run] = {name: fetch_all(db, statement, (project, run)) for name, statement in WRITER_TABLES.items()}
    if (JOBS_PROJECT, "") in found:
        found[JOBS_PROJECT, ""] |= {name: fetch_all(db, statement) for name, statement in JOB_TABLES.items()}
    for project, run in fetch_all(db, "SELECT project, run FROM tombstone"):
        found.setdefault((project, run), {})["deleted"] = True
    for key, project, run, *row in fetch_all(
        db, "SELECT key, project, id, name, group_name, notes, tags, config, created, updated, points, lost FROM run"
    ):
        of_run = found.setdefault((project, run), {})
        of_run["row"] = row
        of_run |= {name: fetch_all(db, statement, (key,)) for name, statement in RUN_TABLES.items()}
        of_run["points"] = dump_points(db, key)
    return found


def dump_points(db: apsw.Connection, run: int) -> dict[str, tuple[bytes, ...]]:
    """By metric: steps, clocks, writers, lags and values, in order; every NaN written alike."""
    found = read_points(db, run)
    return {} if found is None else {metric: dump_column(found, column) for metric, column in found.columns.items()}


def dump_column(points: Points, column: Column) -> tuple[bytes, ...]:
    """One metric's points."""
    places, values = column
    writers = "|".join(points.names[index] for index in points.writers[places].tolist())
    axis = (points.steps[places].tobytes(), points.clocks[places].tobytes(), writers.encode(), points.lags[places].tobytes())
    return (*axis, np.where(np.isnan(values), np.nan, values).tobytes())
