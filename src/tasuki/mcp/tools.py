"""The tools. Agents see their names, arguments, and docstrings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from tasuki.mcp.results import (
    build_list_result,
    describe_alert,
    describe_note,
    describe_run,
    describe_summary,
    downsample,
    format_time,
    limit_size,
    truncate,
)
from tasuki.records import SYSTEM_METRIC_PREFIX, AlertLevel, MetricSummary, NoteKind, Status
from tasuki.sdk.query import comparison as answers
from tasuki.sdk.query.api import Api
from tasuki.sdk.query.wait import WaitOutcome, parse_condition
from tasuki.sdk.query.wait import wait_for_run as wait_for

__all__ = ["Tools"]

Project = Annotated[str | None, Field(description="The project; may be left out where there is only one.")]
Run = Annotated[str, Field(description="A run's id, a unique beginning of it, or a name that no other run has.")]
Limit = Annotated[int, Field(ge=1, le=200, description="The most rows.")]
Answer = dict[str, Any]
METRICS_PER_RUN = 8
MAX_METRICS = 100
MAX_COMPARED_RUNS = 50
MAX_WAIT_SECONDS = 300


class Tools:
    """Answers from one folder, or from one server."""

    def __init__(self, remote: str | None, dir: str | None, project: str | None = None) -> None:
        self.remote = remote
        self.dir = dir
        self.project = project

    def list_tools(self) -> list[Callable[..., Answer]]:
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
    def open_project(self, project: str | None) -> Iterator[tuple[Api, str]]:
        """Open the queries for one call; yield them and the project."""
        with Api(self.remote, dir=self.dir) as api:
            yield api, api.resolve_project(project or self.project)

    def list_projects(self) -> Answer:
        """List all projects: name, number of runs, when something was last recorded."""
        with Api(self.remote, dir=self.dir) as api:
            rows = api.query.projects()
        return build_list_result(
            "projects", [{"name": row.name, "runs": row.runs, "updated": format_time(row.updated)} for row in rows]
        )

    def list_runs(self, project: Project = None, status: Status | None = None, limit: Limit = 20) -> Answer:
        """List a project's runs, the newest first, with their status and the last values of up to 8 metrics."""
        with self.open_project(project) as (api, name):
            runs = api.query.runs(name, limit=None if status else limit, newest_first=True)
            if status is None:
                total = next(row.runs for row in api.query.projects() if row.name == name)
            else:
                runs = [run for run in runs if run.status is status]
                runs, total = runs[:limit], len(runs)
            of_runs: dict[str, list[MetricSummary]] = {run.id: [] for run in runs}
            for summary in api.query.summaries(name, list(of_runs)):
                if not summary.metric.startswith(SYSTEM_METRIC_PREFIX):
                    of_runs[summary.run].append(summary)
        return build_list_result(
            "runs", [describe_run(run, of_runs[run.id][:METRICS_PER_RUN]) for run in runs], total, project=name
        )

    def summarize(
        self, run: Annotated[Run | None, Field(description="A run; without it the project.")] = None, project: Project = None
    ) -> Answer:
        """Summarize a project (runs by status, metric ranges, alerts by level), or one run in full."""
        with self.open_project(project) as (api, name):
            if run is None:
                return describe_project(api, name)
            row = api.query.run(name, run)
            summaries = api.query.summaries(name, [row.id])
            alerts = api.query.alerts(name, row.id)
        metrics = {summary.metric: describe_summary(summary) for summary in summaries[:MAX_METRICS]}
        more = {
            "config": limit_size(row.config),
            "notes": row.notes and truncate(row.notes),
            "stop": row.stop and limit_size(row.stop.reason),
        }
        last = [describe_alert(alert) for alert in alerts[-5:]]
        found = describe_run(row) | more | {"metrics": metrics, "metrics_not_shown": len(summaries) - len(metrics)}
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
        with self.open_project(project) as (api, name):
            found = answers.rank_runs(api.query, name, metric, answers.parse_ranking(top, mode, by))
        rows = [{"rank": one.rank, "value": one.value, "step": one.step} | describe_run(one.run) for one in found]
        return build_list_result("runs", rows, project=name, metric=metric, mode=mode, by=by)

    def compare(
        self,
        runs: Annotated[list[Run], Field(min_length=2, max_length=MAX_COMPARED_RUNS)],
        metrics: Annotated[list[str] | None, Field(description="Only these metrics.")] = None,
        project: Project = None,
    ) -> Answer:
        """Put runs side by side: config keys that differ, and last, min and max of every metric."""
        with self.open_project(project) as (api, name):
            found = answers.build_comparison(api.query, name, runs, metrics)
        keys = answers.find_differing_keys([run.config for run in found.runs])
        shown = found.metrics[:MAX_METRICS]
        rows = []
        for run in found.runs:
            of_run = found.summaries[run.id]
            config = {key: limit_size(run.config[key]) for key in keys if key in run.config}
            metrics_of_run = {metric: describe_summary(of_run[metric]) for metric in shown if metric in of_run}
            rows.append({"id": run.id, "name": run.name, "status": run.status, "config": config, "metrics": metrics_of_run})
        return build_list_result("runs", rows, project=name, metrics=shown, metrics_not_shown=len(found.metrics) - len(shown))

    def series(
        self,
        run: Run,
        metric: Annotated[str, Field(description="The metric.")],
        points: Annotated[int, Field(ge=1, le=1000, description="The most columns that the series is reduced to.")] = 100,
        project: Project = None,
    ) -> Answer:
        """Read one metric of a run, reduced to columns that keep every extreme: min, max, last and NaN count."""
        with self.open_project(project) as (api, name):
            row = api.query.run(name, run)
            found = api.query.series(name, row.id, metric)
        return {"project": name, "run": row.id, "metric": metric} | downsample(found, points)

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
        """Read alerts in order of arrival. Continue with `since`: none comes twice and none is missed."""
        with self.open_project(project) as (api, name):
            run_id = None if run is None else api.query.run(name, run).id
            wanted = None if level is None else AlertLevel(level)
            rows = api.query.alerts(name, run_id, since=since, reason=reason, level=wanted)
        answer = build_list_result("alerts", [describe_alert(row) for row in rows[:limit]], len(rows), project=name)
        return answer | {"next_since": answer["alerts"][-1]["id"] if answer["alerts"] else since}

    def notes(
        self,
        search: Annotated[str | None, Field(description="A text that must be in the note.")] = None,
        kind: NoteKind | None = None,
        limit: Limit = 50,
        project: Project = None,
    ) -> Answer:
        """Read what was noted (corrections, lessons, events): the latest, the newest last."""
        with self.open_project(project) as (api, name):
            rows = api.query.notes(name, kind, search=search)
        return build_list_result("notes", [describe_note(row) for row in rows[-limit:]], len(rows), project=name)

    def wait(
        self,
        run: Run,
        until: Annotated[
            str | None, Field(description="A condition like val_loss<0.3; without it: until the run has ended.")
        ] = None,
        timeout_seconds: Annotated[float, Field(gt=0, le=MAX_WAIT_SECONDS)] = 60,
        project: Project = None,
    ) -> Answer:
        """Wait for a metric condition, or the run's end.

        `outcome`: true, ended, stalled, timeout (call again).
        """
        with self.open_project(project) as (api, name):
            condition = None if until is None else parse_condition(until)
            found = wait_for(api.query, name, run, until=condition, timeout=timedelta(seconds=timeout_seconds))
        met = {"outcome": found.outcome, "met": found.outcome is WaitOutcome.TRUE, "value": found.value, "step": found.step}
        return {"project": name} | met | {"run": describe_run(found.run)}

    def stop(self, run: Run, reason: Annotated[str, Field(description="Why; the run is told.")], project: Project = None) -> Answer:
        """Ask a run to stop: its `should_stop()` is true within two seconds. It ends when its program looks."""
        with self.open_project(project) as (api, name):
            row = api.run(run, name).stop(reason)
        asked = row.stop
        return {
            "project": name,
            "run": describe_run(row),
            "asked": asked and {"time": format_time(asked.time), "reason": asked.reason, "by": asked.by},
        }


def describe_project(api: Api, project: str) -> Answer:
    """A project at a glance."""
    found = api.query.overview(project)
    ranges = [
        {"metric": row.metric, "runs": row.runs, "min": row.min, "min_run": row.min_run, "max": row.max, "max_run": row.max_run}
        for row in found.metrics[:MAX_METRICS]
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
        "updated": None if found.updated is None else format_time(found.updated),
    }
