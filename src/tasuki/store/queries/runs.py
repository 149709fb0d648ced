"""The answer to each question: one body, used by whoever has a connection inside a read transaction."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from enum import IntEnum
from operator import attrgetter
from typing import Any, NamedTuple

import apsw
import msgspec

from tasuki.database.sqlite import one, rows
from tasuki.errors import Conflict, NotFound
from tasuki.records import (
    AlertLevel,
    AlertRow,
    FileRow,
    HistoryRow,
    JobStatus,
    MetricRange,
    MetricSummary,
    NoteKind,
    NoteRow,
    ProgressRow,
    ProjectOverview,
    ProjectRow,
    RunRow,
    Status,
    StopRow,
    TextRow,
)
from tasuki.store.queries.files import CONTENT, FILES, FileContent, file_rows
from tasuki.store.queries.history import HistoryPage, history_rows
from tasuki.store.queries.notes import NEWEST_NOTES, NOTES, OLDEST_NOTES, STANDING, NoteFilter, NotesBehind, NotesPage, note_row
from tasuki.store.queries.statements import (
    ALERT_LEVELS,
    ALERTS,
    ARRIVAL,
    BEGUN,
    BEST,
    JOB_OF_ATTEMPT,
    NAMED,
    NAMES,
    NEWEST_FIRST,
    NOTE_COUNT,
    OLDEST_FIRST,
    PROJECT,
    PROJECTS,
    RANGES,
    RUNS_OF_IDS,
    SETTLED,
    SETTLED_OF,
    SILENT_US,
    STATUSES,
    STOPS,
    SUMMARIES,
    SUMMARIES_OF,
    SUMMARIES_OF_RUN,
    TEXTS,
    BestRuns,
)
from tasuki.store.queries.suggestions import there_are
from tasuki.store.series.chart_reader import ChartReader, read_sketch
from tasuki.store.series.points import PointOrder, Points, Series
from tasuki.store.series.read import count_records, read_page, read_points, read_series
from tasuki.store.series.summary import LAST
from tasuki.store.series.summary_cache import SummaryCache

__all__ = ["AttemptOutcome", "AttemptStart", "Behind", "Queries", "RunsPage", "StopRequestRow", "best_of"]

QUIET_US = 600_000_000
"""A process of ours says every half minute that it lives; another tracker's says nothing between two logs, nor at its end."""
STATUSES_BY_WORD = {status.value: status for status in Status}
"""Looked up for each run of a list: quicker than to make one of its word."""
Behind = tuple[int, str]
"""Where in the order of runs a page ends."""


class StopRequestRow(NamedTuple):
    """A request to stop, and the attempt that it is for."""

    project: str
    run: str
    attempt: str
    reason: str | None
    by: str | None


class RunsPage(NamedTuple):
    """Some runs, and what the next page comes behind; None if there were none."""

    rows: list[RunRow]
    end: Behind | None


class AttemptStart(NamedTuple):
    """A stream in which an attempt says that it began: whether it is complete, and the clock of its latest record."""

    writer: str
    complete: bool
    clock: int


class AttemptOutcome(IntEnum):
    """What became of an attempt that has no end on record: it goes on, or is silent (it may be heard again), or is over."""

    GOING_ON = 0
    SILENT = 1
    OVER = 2


class Queries:
    """Answers from one connection. `fate(streams, silent_us)`: what became of an attempt of which no end is on record."""

    def __init__(self, db: apsw.Connection, fate: Callable[[list[AttemptStart], int], AttemptOutcome]) -> None:
        self.db = db
        self.fate = fate

    def projects(self) -> list[ProjectRow]:
        """All projects, by name."""
        return [ProjectRow(name=name, runs=runs, updated=updated) for name, runs, updated in rows(self.db, PROJECTS)]

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """The project's runs, or the first `limit` of them, in the order they were created or the newest first."""
        return self.runs_page(project, limit=-1 if limit is None else limit, newest_first=newest_first).rows

    def runs_page(self, project: str, *, limit: int, behind: Behind | None = None, newest_first: bool = False) -> RunsPage:
        """At most `limit` runs behind those of an earlier page; a negative limit is none."""
        found = rows(self.db, NEWEST_FIRST if newest_first else OLDEST_FIRST, (project, *(behind or (None, None)), limit))
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
            hint = there_are(project, names) if names else "nothing is recorded yet"
            raise NotFound(f"there is no project {project!r}", hint=hint)

    def overview(self, project: str) -> ProjectOverview:
        """A project at a glance."""
        self.check_project(project)
        found = rows(self.db, STATUSES, (project,))
        statuses = Counter(self.status(*row[:4]) for row in found)
        levels = dict(rows(self.db, ALERT_LEVELS, (project,)))
        return ProjectOverview(
            project=project,
            runs=len(found),
            statuses={status: statuses[status] for status in Status},
            points=sum(row[4] for row in found),
            lost=sum(row[5] for row in found),
            created=min((row[6] for row in found if row[6] is not None), default=None),
            updated=max((row[7] for row in found if row[7] is not None), default=None),
            metrics=[
                MetricRange(metric=metric, runs=runs, min=low, min_run=low_run, max=high, max_run=high_run)
                for metric, runs, low, low_run, high, high_run in rows(self.db, RANGES, (project,))
            ],
            alerts={level: levels.get(level, 0) for level in AlertLevel},
            notes=one(self.db, NOTE_COUNT, (project,))[0],
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
            *more,
        ) = row
        stop, progress = more[:3], more[3:]
        known = {} if environment is None else from_json(environment)
        concluded = self.status(key, attempt, status, known.get("tracker"))
        if ended is None and "tracker" in known and concluded is Status.FINISHED:
            quiet = QUIET_US // 60_000_000
            reason = f"{known['tracker']} does not say how a run ends: nothing has come for {quiet} minutes"
        return RunRow(
            project=project,
            id=id,
            name=name or id,
            status=concluded,
            group=group,
            notes=notes,
            tags=[] if tags is None else from_json(tags),
            config={} if config is None else from_json(config),
            environment=known,
            attempt=max(number, 1),
            reason=reason,
            created=created or updated or 0,
            updated=updated or 0,
            ended=ended,
            points=points,
            lost=lost,
            attempt_id=attempt,
            stop=None if stop[0] is None else StopRow(time=stop[0], reason=stop[1], by=stop[2]),
            progress=None if progress[0] is None else ProgressRow(
                time=progress[0], done=progress[1], total=progress[2], rate=progress[3]
            ),
        )  # fmt: skip

    def status(self, run: int, attempt: str | None, recorded: str | None, tracker: str | None = None) -> Status:
        """What is known of an attempt: how it ended, or whether it still runs. Another tracker's may end without a word."""
        if recorded is not None and recorded != Status.RUNNING:
            return STATUSES_BY_WORD[recorded]
        if recorded is not None and tracker is None:
            return self.status_of_job(run, attempt)
        silent_us = SILENT_US if tracker is None else QUIET_US
        if not attempt or self.fate(self.writers(run, attempt), silent_us) is AttemptOutcome.GOING_ON:
            return Status.RUNNING
        return Status.CRASHED if tracker is None else Status.FINISHED

    def status_of_job(self, run: int, attempt: str | None) -> Status:
        """That of an attempt of which somebody else has said that it runs: it does no longer than its job's attempt does."""
        row = one(self.db, JOB_OF_ATTEMPT, (run, attempt))
        if row is None or (row[1] and row[2]):
            return Status.RUNNING
        return Status.FINISHED if row[0] == JobStatus.COMPLETED and row[2] else Status.FAILED

    def writers(self, run: int, attempt: str) -> list[AttemptStart]:
        """The streams in which an attempt says that it began."""
        found = rows(
            self.db,
            "SELECT a.writer, coalesce(w.sealed, 0), coalesce(w.clock, 0)"
            " FROM attempt_writer a LEFT JOIN writer w ON w.id = a.writer WHERE a.run = ? AND a.attempt = ?",
            (run, attempt),
        )
        return [AttemptStart(*row) for row in found]

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        if found := self.runs_of(project, [ref]):
            return found[ref]
        self.check_project(project)
        for statement in (NAMED, BEGUN) if ref else ():
            ids = [id for (id,) in rows(self.db, statement, (project, ref))]
            if len(ids) == 1:
                return self.run(project, ids[0])
            if ids:
                hint = f"say which: {', '.join(ids[:10])}" + (", ..." if len(ids) > 10 else "")
                raise NotFound(f"project {project!r} has {len(ids)} runs that {ref!r} may mean", hint=hint)
        raise self.no_run(project, ref)

    def named(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Several runs at once, in the order of what they are named by."""
        found = self.runs_of(project, refs)
        return [found[ref] if ref in found else self.run(project, ref) for ref in refs]

    def runs_of(self, project: str, ids: Sequence[str]) -> dict[str, RunRow]:
        """The runs that have one of these ids, by id."""
        found = (self.run_row(project, *row) for row in rows(self.db, RUNS_OF_IDS, (project, json.dumps(list(ids)))))
        return {row.id: row for row in found}

    def no_run(self, project: str, ref: str) -> NotFound:
        """What says that there is no such run, and which are near."""
        names = [id if name == id else f"{id} ({name})" for id, name in rows(self.db, NAMES, (project,))]
        return NotFound(f"project {project!r} has no run {ref!r}", hint=there_are(ref, names) if names else "it has none yet")

    def going_on(self, project: str, ref: str) -> RunRow:
        """A run that can be asked to stop: it goes on, or may be heard again. Conflict for one that is over."""
        row = self.run(project, ref)
        if row.attempt_id and row.status is Status.CRASHED:
            streams = self.writers(self.key(project, row.id), row.attempt_id)
            if self.fate(streams, SILENT_US) is AttemptOutcome.SILENT:
                return row
        if row.status.is_final or row.attempt_id is None:
            raise Conflict(f"run {row.id!r} ({row.name}) is {row.status}: there is nothing to stop")
        return row

    def stops(self) -> list[StopRequestRow]:
        """The requests to stop that may not have been heard yet: those for attempts without an end on record."""
        return [StopRequestRow(*row) for row in self.db.execute(STOPS)]

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
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """The summary of each metric of each run, by run and metric; with `top` only the best of them, the best first."""
        if top is not None and runs is None and metrics is not None and len(metrics) == 1:
            return self.best(project, next(iter(metrics)), top)
        if metrics is None:
            found = self.all_summaries(project, runs)
        else:
            chosen = [None if names is None else json.dumps(list(names)) for names in (runs, metrics)]
            found = [
                MetricSummary(*row) for row in self.db.execute(SUMMARIES if runs is None else SUMMARIES_OF, (project, *chosen))
            ]
        return found if top is None else best_of(found, top)

    def all_summaries(self, project: str, runs: Collection[str] | None) -> list[MetricSummary]:
        """The summaries of all metrics: of settled runs in one piece, of others row by row."""
        settled = SummaryCache(self.db)
        asked = (project, None if runs is None else json.dumps(list(runs)))
        found: list[MetricSummary] = []
        for id, key, data in rows(self.db, SETTLED if runs is None else SETTLED_OF, asked):
            if data is None:
                found += (MetricSummary(*row) for row in self.db.execute(SUMMARIES_OF_RUN, (key,)))
            else:
                found += settled.summaries(id, data)
        return found

    def best(self, project: str, metric: str, top: BestRuns) -> list[MetricSummary]:
        """The best runs by one metric: of those that are settled the first in order, and of those that are not, all."""
        id = one(self.db, "SELECT id FROM metric WHERE name = ?", (metric,))
        if id is None:
            return []
        statements = BEST[top.mode, top.by]
        nth = one(self.db, statements.nth, (project, *id, top.n - 1))
        bound = statements.least if nth is None else nth[0]
        found = rows(self.db, statements.better, (project, *id, bound))
        found += rows(self.db, statements.equal, (project, *id, bound, top.n))
        found += rows(self.db, statements.live, (project, *id))
        found.sort(key=lambda row: row[:2])
        return best_of([MetricSummary(*row[1:]) for row in found], top)

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """What was logged, by (step, time)."""
        points = self.points(project, run, metric)
        return [] if points is None else history_rows(points)

    def history_page(
        self, project: str, run: str, metric: str | None, *, limit: int, behind: PointOrder | None = None
    ) -> HistoryPage:
        """At most `limit` rows behind those of an earlier page."""
        key = self.key(project, run)
        total = count_records(self.db, key, metric)
        if metric is not None and not total:
            raise self.no_metric(project, run, metric)
        points = read_page(self.db, key, metric, limit, behind)
        if points is None:
            return HistoryPage([], None, total)
        stop = min(limit, len(points))
        return HistoryPage(history_rows(points.part(0, stop)), points.order(stop - 1), total, stop < len(points))

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points."""
        found = read_series(self.db, self.key(project, run), metric)
        if found is None:
            raise self.no_metric(project, run, metric)
        return found

    def sketch(self, project: str, run: str, metric: str, first: int | None = None, last: int | None = None) -> ChartReader | None:
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
        return NotFound(f"run {run!r} has no metric {metric!r}", hint=there_are(metric, names) if names else "it has none yet")

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """A project's notes, by time, once each; those that conflict with one that came first are marked."""
        return self.notes_page(project, NoteFilter(kind, since, search), limit=-1).rows

    def notes_page(
        self, project: str, wanted: NoteFilter, *, limit: int, behind: NotesBehind | None = None, newest_first: bool = False
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

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """What a run has kept as text, piece by piece, in the order in which it came."""
        found = self.db.execute(TEXTS, (self.key(project, run), name, name))
        return [TextRow(attempt=attempt, name=kept, time=time, text=text) for attempt, kept, time, text in found]

    def alerts(
        self,
        project: str,
        run: str | None = None,
        *,
        since: int | str | None = None,
        reason: str | None = None,
        level: AlertLevel | None = None,
    ) -> list[AlertRow]:
        """The alerts of a project or of one run, in the order in which they arrived."""
        self.check_project(project)
        time, arrival = (None, self.arrival(project, since)) if isinstance(since, str) else (since, None)
        levels = None if level is None else json.dumps(level.and_louder)
        found = self.db.execute(ALERTS, (project, run, time, arrival, reason, levels))
        return [alert_row(project, *row) for row in found]

    def arrival(self, project: str, alert: str) -> int:
        """When an alert arrived, as a number. NotFound if it is none of the project's."""
        writer, _, offset = alert.rpartition(":")
        row = one(self.db, ARRIVAL, (project, writer, int(offset))) if offset.isascii() and offset.isdigit() else None
        if row is None:
            raise NotFound(
                f"project {project!r} has no alert {alert!r}",
                hint="it may have gone with its run: begin anew",
            )
        return int(row[0])

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """The files of a project or of one run, in the order in which they came."""
        self.check_project(project)
        return file_rows(project, rows(self.db, FILES, (project, run)))

    def file_content(self, project: str, run: str, sha256: str) -> FileContent:
        """What a run has under a sha256. NotFound for what it has not."""
        row = one(self.db, CONTENT, (project, run, sha256))
        if row is None:
            raise NotFound(f"run {run!r} has no file {sha256!r}")
        return FileContent(*row)


def alert_row(project: str, writer: str, offset: int, *row: Any) -> AlertRow:
    """An alert from its row."""
    run, run_name, time, level, title, text, reason, metric, value, step, data = row
    return AlertRow(
        id=f"{writer}:{offset}", project=project, run=run, run_name=run_name, time=time, level=AlertLevel(level), title=title,
        text=text, reason=reason, metric=metric, value=None if value is None else float(value), step=step,
        data=None if data is None else from_json(data),
    )  # fmt: skip


def from_json(text: str) -> Any:
    """What was written as JSON; NaN and infinities, which are none, are read more slowly."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def best_of(found: list[MetricSummary], top: BestRuns) -> list[MetricSummary]:
    """The best of some summaries that are in the order in which their runs were created."""
    there = [summary for summary in found if getattr(summary, top.by) is not None]
    return sorted(there, key=attrgetter(top.by), reverse=top.mode == "max")[: top.n]
