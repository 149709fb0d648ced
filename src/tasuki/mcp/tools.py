"""The tools: each opens what it asks, asks, and shows the answer. Their names, arguments and docstrings are what an agent sees."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from tasuki.mcp.results import bounded, columns, cut, listed, moment, shown_alert, shown_note, shown_run, shown_summary
from tasuki.records import MACHINE, AlertLevel, MetricSummary, NoteKind, Status
from tasuki.sdk.query import comparison as answers
from tasuki.sdk.query.api import Api
from tasuki.sdk.query.wait import WaitOutcome, parse_until
from tasuki.sdk.query.wait import wait as wait_for

__all__ = ["Tools"]

Project = Annotated[str | None, Field(description="The project; may be left out where there is only one.")]
Run = Annotated[str, Field(description="A run's id, a unique beginning of it, or a name that no other run has.")]
Limit = Annotated[int, Field(ge=1, le=200, description="The most rows.")]
Answer = dict[str, Any]
METRICS_OF_A_RUN = 8
MOST_METRICS = 100
MOST_COMPARED = 50
LONGEST_WAIT_SECONDS = 300


class Tools:
    """Answers from one folder, or from one server."""

    def __init__(self, remote: str | None, dir: str | None, project: str | None = None) -> None:
        self.remote = remote
        self.dir = dir
        self.project = project

    def all(self) -> list[Callable[..., Answer]]:
        """Every tool."""
        return [
            self.list_projects,
            self.list_runs,
            self.summarize,
            self.best,
            self.compare,
            self.series,
            self.alerts,
            self.notes,
            self.wait,
            self.stop,
        ]

    @contextmanager
    def asking(self, project: str | None) -> Iterator[tuple[Api, str]]:
        """Whom to ask, for one call, and the project that is meant."""
        with Api(self.remote, dir=self.dir) as api:
            yield api, api.chosen(project or self.project)

    def list_projects(self) -> Answer:
        """List all projects: name, number of runs, when something was last recorded."""
        with Api(self.remote, dir=self.dir) as api:
            rows = api.query.projects()
        return listed("projects", [{"name": row.name, "runs": row.runs, "updated": moment(row.updated)} for row in rows])

    def list_runs(self, project: Project = None, status: Status | None = None, limit: Limit = 20) -> Answer:
        """List a project's runs, the newest first, with their status and the last values of up to 8 metrics."""
        with self.asking(project) as (api, name):
            runs = api.query.runs(name, limit=None if status else limit, newest_first=True)
            if status is None:
                total = next(row.runs for row in api.query.projects() if row.name == name)
            else:
                runs = [run for run in runs if run.status is status]
                runs, total = runs[:limit], len(runs)
            of_runs: dict[str, list[MetricSummary]] = {run.id: [] for run in runs}
            for summary in api.query.summaries(name, list(of_runs)):
                if not summary.metric.startswith(MACHINE):
                    of_runs[summary.run].append(summary)
        return listed("runs", [shown_run(run, of_runs[run.id][:METRICS_OF_A_RUN]) for run in runs], total, project=name)

    def summarize(
        self, run: Annotated[Run | None, Field(description="A run; without it the project.")] = None, project: Project = None
    ) -> Answer:
        """Summarize a project (runs by status, ranges of metrics, alerts by level), or one run (facts, config, every metric)."""
        with self.asking(project) as (api, name):
            if run is None:
                return overview_of(api, name)
            row = api.query.run(name, run)
            summaries = api.query.summaries(name, [row.id])
            alerts = api.query.alerts(name, row.id)
        metrics = {summary.metric: shown_summary(summary) for summary in summaries[:MOST_METRICS]}
        more = {"config": bounded(row.config), "notes": row.notes and cut(row.notes), "stop": row.stop and bounded(row.stop.reason)}
        last = [shown_alert(alert) for alert in alerts[-5:]]
        found = shown_run(row) | more | {"metrics": metrics, "metrics_not_shown": len(summaries) - len(metrics)}
        return found | {"project": name, "alerts": len(alerts), "last_alerts": last}

    def best(
        self,
        metric: Annotated[str, Field(description="The metric to rank runs by, e.g. val/acc.")],
        mode: Annotated[Literal["min", "max"], Field(description="min if less is better, max if more is.")] = "min",
        by: Annotated[
            Literal["last", "min", "max"], Field(description="Rank by the last, the least or the greatest value.")
        ] = "last",
        top: Limit = 5,
        project: Project = None,
    ) -> Answer:
        """Rank runs by a metric, the best first. Runs where it is NaN are left out."""
        with self.asking(project) as (api, name):
            found = answers.best(api.query, name, metric, answers.top_of(top, mode, by))
        rows = [{"rank": one.rank, "value": one.value, "step": one.step} | shown_run(one.run) for one in found]
        return listed("runs", rows, project=name, metric=metric, mode=mode, by=by)

    def compare(
        self,
        runs: Annotated[list[Run], Field(min_length=2, max_length=MOST_COMPARED)],
        metrics: Annotated[list[str] | None, Field(description="Only these metrics.")] = None,
        project: Project = None,
    ) -> Answer:
        """Put runs side by side: config keys that differ, and last, min and max of every metric."""
        with self.asking(project) as (api, name):
            found = answers.compare(api.query, name, runs, metrics)
        keys = answers.differing([run.config for run in found.runs])
        shown = found.metrics[:MOST_METRICS]
        rows = []
        for run in found.runs:
            of_run = found.summaries[run.id]
            config = {key: bounded(run.config[key]) for key in keys if key in run.config}
            metrics_of_run = {metric: shown_summary(of_run[metric]) for metric in shown if metric in of_run}
            rows.append({"id": run.id, "name": run.name, "status": run.status, "config": config, "metrics": metrics_of_run})
        return listed("runs", rows, project=name, metrics=shown, metrics_not_shown=len(found.metrics) - len(shown))

    def series(
        self,
        run: Run,
        metric: Annotated[str, Field(description="The metric.")],
        points: Annotated[int, Field(ge=1, le=1000, description="The most columns that the series is reduced to.")] = 100,
        project: Project = None,
    ) -> Answer:
        """Read one metric of a run over its steps, reduced to columns that keep every extreme: min, max, last and how many NaN."""
        with self.asking(project) as (api, name):
            row = api.query.run(name, run)
            found = api.query.series(name, row.id, metric)
        return {"project": name, "run": row.id, "metric": metric} | columns(found, points)

    def alerts(
        self,
        since: Annotated[str | None, Field(description="`next_since` of the answer before: only what came after it.")] = None,
        run: Annotated[Run | None, Field(description="Only of this run.")] = None,
        reason: Annotated[
            str | None, Field(description="Only nan, max_value, min_value, spike, patience, custom, stalled.")
        ] = None,
        level: Annotated[Literal["info", "warn", "error"] | None, Field(description="This level and louder ones.")] = None,
        limit: Limit = 50,
        project: Project = None,
    ) -> Answer:
        """Read alerts in the order in which they came. Go on with `since`: nothing comes twice and nothing is missed."""
        with self.asking(project) as (api, name):
            run_id = None if run is None else api.query.run(name, run).id
            wanted = None if level is None else AlertLevel(level)
            rows = api.query.alerts(name, run_id, since=since, reason=reason, level=wanted)
        answer = listed("alerts", [shown_alert(row) for row in rows[:limit]], len(rows), project=name)
        return answer | {"next_since": answer["alerts"][-1]["id"] if answer["alerts"] else since}

    def notes(
        self,
        search: Annotated[str | None, Field(description="A text that must be in the note.")] = None,
        kind: NoteKind | None = None,
        limit: Limit = 50,
        project: Project = None,
    ) -> Answer:
        """Read what was noted (corrections, lessons, events): the latest, the newest last."""
        with self.asking(project) as (api, name):
            rows = api.query.notes(name, kind, search=search)
        return listed("notes", [shown_note(row) for row in rows[-limit:]], len(rows), project=name)

    def wait(
        self,
        run: Run,
        until: Annotated[
            str | None, Field(description="A condition like val_loss<0.3; without it: until the run has ended.")
        ] = None,
        timeout_seconds: Annotated[float, Field(gt=0, le=LONGEST_WAIT_SECONDS)] = 60,
        project: Project = None,
    ) -> Answer:
        """Wait until a metric meets a condition, or the run ends. `outcome`: true, ended, stalled, timeout (then call it again)."""
        with self.asking(project) as (api, name):
            condition = None if until is None else parse_until(until)
            found = wait_for(api.query, name, run, until=condition, timeout=timedelta(seconds=timeout_seconds))
        met = {"outcome": found.outcome, "met": found.outcome is WaitOutcome.TRUE, "value": found.value, "step": found.step}
        return {"project": name} | met | {"run": shown_run(found.run)}

    def stop(self, run: Run, reason: Annotated[str, Field(description="Why; the run is told.")], project: Project = None) -> Answer:
        """Ask a run to stop: its `should_stop()` is true within two seconds. It ends when its program looks."""
        with self.asking(project) as (api, name):
            row = api.run(run, name).stop(reason)
        asked = row.stop
        return {
            "project": name,
            "run": shown_run(row),
            "asked": asked and {"time": moment(asked.time), "reason": asked.reason, "by": asked.by},
        }


def overview_of(api: Api, project: str) -> Answer:
    """A project at a glance."""
    found = api.query.overview(project)
    ranges = [
        {"metric": row.metric, "runs": row.runs, "min": row.min, "min_run": row.min_run, "max": row.max, "max_run": row.max_run}
        for row in found.metrics[:MOST_METRICS]
    ]
    return {
        "project": project,
        "runs": found.runs,
        "statuses": dict(found.statuses),
        "points": found.points,
        "metrics": ranges,
        "metrics_not_shown": len(found.metrics) - len(ranges),
        "alerts": dict(found.alerts),
        "notes": found.notes,
        "updated": None if found.updated is None else moment(found.updated),
    }
