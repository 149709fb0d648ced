"""The SQL behind each question: one body, used by whoever has a connection inside a read transaction."""

import json
from bisect import bisect_right
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import apsw

from tasuki.errors import NotFound
from tasuki.records import AlertLevel, AlertRow, HistoryRow, ProjectRow, RunRow, Status, Summary
from tasuki.store.metrics import read_line, read_points
from tasuki.store.points import Line, Order, Points
from tasuki.store.protocols import Series
from tasuki.store.sql import one, rows

__all__ = ["Behind", "HistoryPage", "Questions", "RunsPage"]

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
SUMMARIES = """
SELECT run.id, metric.name, n, first, first_step, last, last_step, last_clock, min, min_step, max, max_step
FROM run JOIN summary ON summary.run = run.key JOIN metric ON metric.id = summary.metric
WHERE run.project = ?1 AND (?2 IS NULL OR run.id IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR summary.metric IN (SELECT id FROM metric WHERE name IN (SELECT value FROM json_each(?3))))
ORDER BY run.created, run.id, metric.name
"""
ALERTS = """
SELECT alert.writer, alert."offset", run.id, coalesce(run.name, run.id), time, level, title, text, reason, metric, value, step, data
FROM alert JOIN run ON run.key = alert.run WHERE run.project = ?1 AND (?2 IS NULL OR run.id = ?2) ORDER BY clock, writer, "offset"
"""


Behind = tuple[int, str]
"""Where in the order of runs a page ends."""


class RunsPage(NamedTuple):
    """Some runs, and what the next page comes behind; None if there were none."""

    rows: list[RunRow]
    end: Behind | None


class HistoryPage(NamedTuple):
    """Some rows of a history, what the next page comes behind, and how many rows there are in all."""

    rows: list[HistoryRow]
    end: Order | None
    total: int
    more: bool = False


class Questions:
    """Answers from one connection. `is_over(writers, updated)` says whether an attempt without an end has ended all the same."""

    def __init__(self, db: apsw.Connection, is_over: Callable[[list[tuple[str, bool]], int], bool]) -> None:
        self.db = db
        self.is_over = is_over

    def projects(self) -> list[ProjectRow]:
        """All projects, by name."""
        found = rows(self.db, "SELECT project, count(*), max(coalesce(updated, 0)) FROM run GROUP BY project ORDER BY project")
        return [ProjectRow(name=name, runs=runs, updated=updated) for name, runs, updated in found]

    def runs(self, project: str) -> list[RunRow]:
        """The project's runs, in the order they were created."""
        return self.runs_page(project, limit=-1).rows

    def runs_page(self, project: str, *, limit: int, behind: Behind | None = None, newest_first: bool = False) -> RunsPage:
        """At most `limit` runs behind those of an earlier page; a negative limit is none."""
        found = rows(self.db, NEWEST_FIRST if newest_first else OLDEST_FIRST, (project, *(behind or (None, None)), limit, None))
        if not found:
            self.check_project(project)
        places = [(LAST if row[7] is None else row[7], row[1]) for row in found[-1:]]
        return RunsPage([self.run_row(project, *row) for row in found], places[0] if places else None)

    def count_runs(self, project: str) -> int:
        """How many runs a project has."""
        return int(one(self.db, "SELECT count(*) FROM run WHERE project = ?", (project,))[0])

    def check_project(self, project: str) -> None:
        """NotFound, naming those there are, for a project that is not there."""
        names = [row.name for row in self.projects()]
        if project not in names:
            raise NotFound(
                f"there is no project {project!r}",
                hint=f"there are {', '.join(names)}" if names else "nothing is recorded yet",
            )

    def run_row(self, project: str, key: int, id: str, *row: Any) -> RunRow:
        """A run from its row."""
        (
            name,
            group,
            notes,
            tags,
            config,
            created,
            updated,
            points,
            lost,
            attempt,
            environment,
            status,
            reason,
            ended,
            number,
        ) = row
        if status is None:
            status = Status.CRASHED if attempt and self.is_over(self.writers(key, attempt), updated) else Status.RUNNING
        return RunRow(
            project=project,
            id=id,
            name=name or id,
            status=Status(status),
            group=group,
            notes=notes,
            tags=json.loads(tags or "[]"),
            config=json.loads(config or "{}"),
            environment=json.loads(environment or "{}"),
            attempt=max(number, 1),
            reason=reason,
            created=created or updated or 0,
            updated=updated or 0,
            ended=ended,
            points=points,
            lost=lost,
        )

    def writers(self, run: int, attempt: str) -> list[tuple[str, bool]]:
        """The streams in which an attempt says that it began, and whether they are complete."""
        return rows(
            self.db,
            "SELECT a.writer, coalesce(w.sealed, 0) FROM attempt_writer a LEFT JOIN writer w ON w.id = a.writer"
            " WHERE a.run = ? AND a.attempt = ?",
            (run, attempt),
        )

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        if row := one(self.db, OLDEST_FIRST, (project, None, None, 1, ref)):
            return self.run_row(project, *row)
        all_runs = self.runs(project)
        for found in (
            [row for row in all_runs if row.name == ref],
            [row for row in all_runs if ref and row.id.startswith(ref)],
        ):
            if len(found) == 1:
                return found[0]
            if found:
                ids = ", ".join(row.id for row in found[:10])
                raise NotFound(f"project {project!r} has {len(found)} runs that {ref!r} may mean", hint=f"say which: {ids}")
        near = ", ".join(f"{row.id} ({row.name})" for row in all_runs[-10:])
        raise NotFound(f"project {project!r} has no run {ref!r}", hint=f"there are {near}")

    def projected(self, writer: str) -> int:
        """How many bytes of a stream are projected."""
        row = one(self.db, 'SELECT "offset" FROM writer WHERE id = ?', (writer,))
        return int(row[0]) if row else 0

    def key(self, project: str, run: str) -> int:
        """The number of a run."""
        row = one(self.db, "SELECT key FROM run WHERE project = ? AND id = ?", (project, run))
        if row is None:
            return self.key(project, self.run(project, run).id)
        return int(row[0])

    def id(self, project: str, ref: str) -> str:
        """The id of a run, by whatever `run` finds it by."""
        exact = one(self.db, "SELECT 1 FROM run WHERE project = ? AND id = ?", (project, ref))
        return ref if exact else self.run(project, ref).id

    def summaries(self, project: str, runs: Collection[str] | None = None, metrics: Collection[str] | None = None) -> list[Summary]:
        """The summary of each metric of each run, by run and metric."""
        chosen = [None if names is None else json.dumps(list(names)) for names in (runs, metrics)]
        names = Summary.__struct_fields__
        return [Summary(**dict(zip(names, row, strict=True))) for row in self.db.execute(SUMMARIES, (project, *chosen))]

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """What was logged, by (step, time)."""
        points = self.points(project, run, metric)
        return [] if points is None else history_rows(points)

    def history_page(self, project: str, run: str, metric: str | None, *, limit: int, behind: Order | None = None) -> HistoryPage:
        """At most `limit` rows behind those of an earlier page."""
        points = self.points(project, run, metric)
        if points is None:
            return HistoryPage([], None, 0)
        start = 0 if behind is None else bisect_right(range(len(points)), behind, key=points.order)
        stop = min(start + limit, len(points))
        return HistoryPage(
            history_rows(points.part(start, stop)),
            points.order(stop - 1) if stop > start else None,
            len(points),
            stop < len(points),
        )

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points."""
        points = self.points(project, run, metric)
        if points is None:
            raise NotFound(f"run {run!r} has logged nothing yet")
        return series_of(points, metric)

    def line(self, project: str, run: str, metric: str, first: int | None = None, last: int | None = None) -> Line | None:
        """One metric's steps and values, at least those from `first` to `last`; None if the run has not logged it."""
        return read_line(self.db, self.key(project, run), metric, first, last)

    def points(self, project: str, run: str, metric: str | None) -> Points | None:
        """All points of a run, or one metric's; NotFound, naming those there are, for a metric that was never logged."""
        points = read_points(self.db, self.key(project, run), metric)
        if points is None and metric is not None:
            names = [summary.metric for summary in self.summaries(project, [run])]
            raise NotFound(f"run {run!r} has no metric {metric!r}", hint=f"there are {', '.join(names[:20]) or 'none yet'}")
        return points

    def alerts(self, project: str, run: str | None = None) -> list[AlertRow]:
        """The alerts of a project or of one run, by time."""
        return [
            AlertRow(
                id=f"{writer}:{offset}", project=project, run=run_id, run_name=run_name, time=time, level=AlertLevel(level),
                title=title, text=text, reason=reason, metric=metric, value=value, step=step,
                data=None if data is None else json.loads(data),
            )
            for (writer, offset, run_id, run_name, time, level, title, text, reason, metric, value, step, data) in self.db.execute(
                ALERTS, (project, run)
            )
        ]  # fmt: skip


def history_rows(points: Points) -> list[HistoryRow]:
    """A row per record."""
    calls: list[dict[str, float]] = [{} for _ in range(len(points))]
    for name, column in points.columns.items():
        for row, value in zip(column.rows.tolist(), column.values.tolist(), strict=True):
            calls[row][name] = value
    times = (points.clocks - points.lags).tolist()
    return [
        HistoryRow(step=step, time=time, metrics=values)
        for step, time, values in zip(points.steps.tolist(), times, calls, strict=True)
        if values
    ]


def series_of(points: Points, metric: str) -> Series:
    """One metric of some points."""
    column = points.columns[metric]
    return Series(points.steps[column.rows], (points.clocks - points.lags)[column.rows], column.values)
