"""The answer to each question: one body, used by whoever has a connection inside a read transaction."""

import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import apsw
import msgspec

from tasuki.errors import NotFound
from tasuki.records import AlertLevel, AlertRow, HistoryRow, NoteKind, NoteRow, ProjectRow, RunRow, Status, Summary
from tasuki.store.history import HistoryPage, history_rows
from tasuki.store.metrics import read_points, read_series
from tasuki.store.notes import NEWEST_NOTES, NOTES, OLDEST_NOTES, STANDING, NotesBehind, NotesPage, Wanted, note_row
from tasuki.store.points import Order, Points
from tasuki.store.protocols import Series, Top
from tasuki.store.settled import Settled
from tasuki.store.sketch import Sketch, read_sketch
from tasuki.store.sql import one, rows
from tasuki.store.statements import (
    ALERTS,
    BEST,
    LAST,
    NEWEST_FIRST,
    OLDEST_FIRST,
    PROJECT,
    PROJECTS,
    SETTLED,
    SETTLED_OF,
    SUMMARIES,
    SUMMARIES_OF,
    SUMMARIES_OF_RUN,
)

__all__ = ["Behind", "Questions", "RunsPage", "best_of"]

Behind = tuple[int, str]
"""Where in the order of runs a page ends."""


class RunsPage(NamedTuple):
    """Some runs, and what the next page comes behind; None if there were none."""

    rows: list[RunRow]
    end: Behind | None


class Questions:
    """Answers from one connection. `is_over(writers, updated)` says whether an attempt without an end has ended all the same."""

    def __init__(self, db: apsw.Connection, is_over: Callable[[list[tuple[str, bool]], int], bool]) -> None:
        self.db = db
        self.is_over = is_over

    def projects(self) -> list[ProjectRow]:
        """All projects, by name."""
        return [ProjectRow(name=name, runs=runs, updated=updated) for name, runs, updated in rows(self.db, PROJECTS)]

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """The project's runs, or the first `limit` of them, in the order they were created or the newest first."""
        return self.runs_page(project, limit=-1 if limit is None else limit, newest_first=newest_first).rows

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
        if one(self.db, PROJECT, (project,)) is None:
            names = [row.name for row in self.projects()]
            raise NotFound(
                f"there is no project {project!r}",
                hint=f"there are {', '.join(names)}" if names else "nothing is recorded yet",
            )

    def knows(self, project: str, run: str) -> bool:
        """Whether anything of a run is projected, a tombstone included."""
        return one(self.db, "SELECT 1 FROM run WHERE project = ? AND id = ?", (project, run)) is not None

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
            tags=[] if tags is None else from_json(tags),
            config={} if config is None else from_json(config),
            environment={} if environment is None else from_json(environment),
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

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: Top | None = None,
    ) -> list[Summary]:
        """The summary of each metric of each run, by run and metric; with `top` only the best of them, the best first."""
        if top is not None and runs is None and metrics is not None and len(metrics) == 1:
            return self.best(project, next(iter(metrics)), top)
        if metrics is None:
            found = list(self.all_summaries(project, runs))
        else:
            chosen = [None if names is None else json.dumps(list(names)) for names in (runs, metrics)]
            found = [Summary(*row) for row in self.db.execute(SUMMARIES if runs is None else SUMMARIES_OF, (project, *chosen))]
        return found if top is None else best_of(found, top)

    def all_summaries(self, project: str, runs: Collection[str] | None) -> Iterator[Summary]:
        """The summaries of all metrics: of settled runs in one piece, of others row by row."""
        settled = Settled(self.db)
        asked = (project, None if runs is None else json.dumps(list(runs)))
        for id, key, data in rows(self.db, SETTLED if runs is None else SETTLED_OF, asked):
            if data is None:
                yield from (Summary(*row) for row in self.db.execute(SUMMARIES_OF_RUN, (key,)))
            else:
                yield from settled.summaries(id, data)

    def best(self, project: str, metric: str, top: Top) -> list[Summary]:
        """The best runs by one metric: of those that are settled the first in order, and of those that are not, all."""
        id = one(self.db, "SELECT id FROM metric WHERE name = ?", (metric,))
        if id is None:
            return []
        nth, least, settled, live = BEST[top.mode, top.by]
        bound = one(self.db, nth, (project, *id, top.n - 1))
        found = rows(self.db, settled, (project, *id, least if bound is None else bound[0]))
        found += rows(self.db, live, (project, *id))
        found.sort(key=lambda row: row[:2])
        return best_of([Summary(*row[1:]) for row in found], top)

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
        found = read_series(self.db, self.key(project, run), metric)
        if found is None:
            raise self.no_metric(project, run, metric)
        return found

    def sketch(self, project: str, run: str, metric: str, first: int | None = None, last: int | None = None) -> Sketch | None:
        """One metric for a chart of at least the steps from `first` to `last`; None if the run has not logged it."""
        return read_sketch(self.db, self.key(project, run), metric, first, last)

    def points(self, project: str, run: str, metric: str | None) -> Points | None:
        """All points of a run, or one metric's; NotFound, naming those there are, for a metric that was never logged."""
        points = read_points(self.db, self.key(project, run), metric)
        if points is None and metric is not None:
            raise self.no_metric(project, run, metric)
        return points

    def no_metric(self, project: str, run: str, metric: str) -> NotFound:
        """What says that a run has not logged a metric, and which it has."""
        names = [summary.metric for summary in self.summaries(project, [self.id(project, run)])]
        return NotFound(f"run {run!r} has no metric {metric!r}", hint=f"there are {', '.join(names[:20]) or 'none yet'}")

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """A project's notes, by time, once each; those that conflict with one that came first are marked."""
        return self.notes_page(project, Wanted(kind, since, search), limit=-1).rows

    def notes_page(
        self, project: str, wanted: Wanted, *, limit: int, behind: NotesBehind | None = None, newest_first: bool = False
    ) -> NotesPage:
        """At most `limit` notes behind those of an earlier page; a negative limit is none."""
        self.check_project(project)
        asked = (project, *wanted.values)
        statement = NEWEST_NOTES if newest_first else OLDEST_NOTES
        found = rows(self.db, statement, (*asked, limit, *(behind or (None, None, None))))
        (total,) = one(self.db, f"SELECT count(*) {NOTES}", asked)
        return NotesPage([note_row(project, *row) for row in found], tuple(found[-1][:3]) if found else None, total)

    def standing(self, project: str, event_ids: Collection[str]) -> dict[str, str]:
        """The digests of the notes that stand, by those of the event ids that are known."""
        return dict(rows(self.db, STANDING, (project, json.dumps(list(event_ids)))))

    def alerts(self, project: str, run: str | None = None) -> list[AlertRow]:
        """The alerts of a project or of one run, by time."""
        return [
            AlertRow(
                id=f"{writer}:{offset}", project=project, run=run_id, run_name=run_name, time=time, level=AlertLevel(level),
                title=title, text=text, reason=reason, metric=metric, value=value, step=step,
                data=None if data is None else from_json(data),
            )
            for (writer, offset, run_id, run_name, time, level, title, text, reason, metric, value, step, data) in self.db.execute(
                ALERTS, (project, run)
            )
        ]  # fmt: skip


def from_json(text: str) -> Any:
    """What was written as JSON; NaN and infinities, which are none, are read more slowly."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def best_of(found: list[Summary], top: Top) -> list[Summary]:
    """The best of some summaries that are in the order in which their runs were created."""
    there = [summary for summary in found if getattr(summary, top.by) is not None]
    return sorted(there, key=attrgetter(top.by), reverse=top.mode == "max")[: top.n]
