"""Asking from Python: `tasuki.Api()`, and which project is meant when none is named."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from tasuki.client.open_query import open_query
from tasuki.clock import us_from_datetime
from tasuki.errors import ConfigError
from tasuki.journal import normalize_project_name
from tasuki.records import AlertRow, FileRow, ProjectOverview, RunEdit, RunRow, Status
from tasuki.sdk.query.comparison import Comparison, RankedRun, build_comparison, parse_ranking, rank_runs
from tasuki.sdk.query.wait import STALLED_AFTER, WaitResult, parse_condition, wait_for_run
from tasuki.sdk.value_conversion import parse_alert_level
from tasuki.settings import load, this_user
from tasuki.store import Query, QueryAndEdit, Series, StopRequester

__all__ = ["Api", "ApiRun", "resolve_project"]


@runtime_checkable
class Closable(Protocol):
    """Anything that holds a file or a connection."""

    def close(self) -> None:
        """Let go of it."""
        ...


class Api:
    """Queries on recorded runs, in the data folder or on a server.

    Close it with a `with` block or `close()`.

    `target`: the address of a server, or its name among `tasuki remote list`; one that can't be reached raises RemoteUnavailable.
    `dir`: the data folder (else TASUKI_DIR). `query`: something else to ask, already open.
    """

    def __init__(self, target: str | None = None, *, dir: str | None = None, query: QueryAndEdit | None = None) -> None:
        settings = load(dir=dir)
        self.default_project = settings.project
        self.query = query or open_query(target, settings)
        self.owns_query = query is None

    def projects(self) -> list[str]:
        """The names of all projects, sorted."""
        return [row.name for row in self.query.projects()]

    def runs(self, project: str | None = None) -> list["ApiRun"]:
        """A project's runs, the oldest first. NotFound if there is no such project.

        No project: the one of TASUKI_PROJECT, else the only one there is; ConfigError if that is not clear.
        """
        return [ApiRun(self.query, row) for row in self.query.runs(self.resolve_project(project))]

    def run(self, ref: str, project: str | None = None) -> "ApiRun":
        """Return one run, by id, unique id prefix, or unique name. Raise NotFound or Conflict."""
        return ApiRun(self.query, self.query.run(self.resolve_project(project), ref))

    def alerts(
        self,
        project: str | None = None,
        run: str | None = None,
        reason: str | None = None,
        *,
        level: str | None = None,
        since: str | datetime | None = None,
    ) -> list[AlertRow]:
        """Alerts in the order in which they arrived: of a project, or of one run of it (by id or name).

        `reason`: only those that carry it; `level`: only of this level or a louder one; `since`: only later than a time, or than
        the alert of an id: who goes on from the last one they have seen misses none and gets none twice.
        """
        chosen = self.resolve_project(project)
        run_id = self.query.run(chosen, run).id if run else None
        loudness = None if level is None else parse_alert_level(level)
        behind = us_from_datetime(since) if isinstance(since, datetime) else since
        return self.query.alerts(chosen, run_id, since=behind, reason=reason, level=loudness)

    def best(
        self, metric: str, project: str | None = None, *, mode: str = "min", top: int = 10, by: str = "last"
    ) -> list[RankedRun]:
        """Return the best runs by a metric, best first.

        Each has `rank`, `run`, `value`, `step` and `summary`. Raise NotFound if no run has the metric.

        `mode`: "min" if less is better, "max" if more is; `by`: the last value of each run, its least ("min") or greatest ("max").
        """
        return rank_runs(self.query, self.resolve_project(project), metric, parse_ranking(top, mode, by))

    def compare(self, runs: Sequence[str], project: str | None = None, *, metrics: Sequence[str] | None = None) -> Comparison:
        """Compare runs.

        Returns `runs`, `metrics`, and `summaries[run id][metric]` with `last`, `min`, `max` and more. Raise NotFound for an
        unknown run or metric.
        """
        return build_comparison(self.query, self.resolve_project(project), runs, metrics)

    def summary(self, project: str | None = None) -> ProjectOverview:
        """A project at a glance: runs by status, the range of each metric, alerts by level. NotFound."""
        return self.query.overview(self.resolve_project(project))

    def wait(
        self,
        run: str,
        project: str | None = None,
        *,
        until: str | None = None,
        timeout: timedelta | None = None,
        stalled_after: timedelta = STALLED_AFTER,
    ) -> WaitResult:
        """Wait until a value of a run satisfies a condition like "val/acc>0.97".

        Without one, until it has ended.

        `outcome` of what it returns is "true"; or "ended" (otherwise), "stalled" (nothing was logged for so long), "timeout".
        """
        condition = None if until is None else parse_condition(until)
        return wait_for_run(
            self.query, self.resolve_project(project), run, until=condition, timeout=timeout, stalled_after=stalled_after
        )

    def resolve_project(self, project: str | None) -> str:
        """The project that is meant."""
        return resolve_project(self.query, project or self.default_project)

    def close(self) -> None:
        """Close what was opened."""
        if self.owns_query and isinstance(self.query, Closable):
            self.query.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class ApiRun:
    """A run as it was when it was listed. `status`, metrics and alerts are asked for anew each time."""

    def __init__(self, query: QueryAndEdit, row: RunRow) -> None:
        self.query = query
        self.set_row(row)

    def set_row(self, row: RunRow) -> None:
        """The run as it is now known."""
        self.row = row
        self.id = row.id
        self.name = row.name
        self.project = row.project
        self.group = row.group
        self.tags = row.tags
        self.notes = row.notes
        self.config = row.config

    def __repr__(self) -> str:
        return f"ApiRun(project={self.project!r}, name={self.name!r}, id={self.id!r})"

    @property
    def status(self) -> Status:
        """Return the run's current status: running, finished, failed or crashed; equal to these strings."""
        return self.query.run(self.project, self.id).status

    def metrics(self) -> list[str]:
        """The names of the metrics that the run has logged, sorted."""
        return sorted(summary.metric for summary in self.query.summaries(self.project, runs=[self.id]))

    def final_metrics(self) -> dict[str, float]:
        """The last value of each metric, by one question."""
        summaries = self.query.summaries(self.project, runs=[self.id])
        return {summary.metric: math.nan if summary.last is None else summary.last for summary in summaries}

    def history(self, metric: str | None = None) -> list[dict[str, Any]]:
        """Return the logged calls, by step and time.

        Each is `{"step": int, "time": seconds since 1970 UTC (float), "metrics": {name: value}}`.

        With `metric`: only the calls that logged it, and only its value.
        """
        rows = self.query.history(self.project, self.id, metric)
        return [{"step": row.step, "time": row.time / 1_000_000, "metrics": row.metrics} for row in rows]

    def series(self, metric: str) -> Series:
        """Return one metric as numpy arrays.

        `steps` and `times` (int64, microseconds since 1970 UTC), `values` (float64). Raise NotFound for an unknown metric.
        """
        return self.query.series(self.project, self.id, metric)

    def alerts(self) -> list[AlertRow]:
        """The run's alerts, in the order in which they arrived."""
        return self.query.alerts(self.project, self.id)

    # -- changes

    def edit(self, *, name: str | None = None, group: str | None = None, notes: str | None = None) -> None:
        """Change the run's name, group or notes; None keeps a field. On record when this returns."""
        self.set_row(self.query.edit(self.project, self.id, RunEdit(name=name, group=group, notes=notes)))

    def tag(self, *tags: str) -> None:
        """Add tags."""
        self.set_row(self.query.edit(self.project, self.id, RunEdit(tags_added=list(tags))))

    def untag(self, *tags: str) -> None:
        """Take tags away."""
        self.set_row(self.query.edit(self.project, self.id, RunEdit(tags_removed=list(tags))))

    def delete(self) -> None:
        """Forget the run, for everybody: it is in no answer any more, and does not come back."""
        self.query.delete(self.project, self.id)

    def stop(self, reason: str | None = None) -> RunRow:
        """Request that the latest attempt stops: its `should_stop()` is true within two seconds.

        A run that is not heard of now receives it later.

        Returns the run: its `stop` says when, why and by whom it was asked first. Conflict for a run that is over.
        """
        if not isinstance(self.query, StopRequester):
            raise ConfigError("this can only be asked, not told")
        return self.query.stop(self.project, self.id, reason, this_user())

    def files(self) -> list[FileRow]:
        """Return the run's files and its logged values that are not numbers, in order of arrival."""
        return self.query.files(self.project, self.id)


def resolve_project(query: Query, requested: str | None) -> str:
    """Return the given project, else the only one.

    Raise ConfigError, naming them, if there are several or none.
    """
    if requested:
        return normalize_project_name(requested)
    names = [row.name for row in query.projects()]
    if not names:
        raise ConfigError("nothing is recorded here yet", hint='tasuki.init(project="digits") starts a run')
    if len(names) > 1:
        raise ConfigError(
            f"there are {len(names)} projects; which one?",
            hint=f"name it (--project, project=, TASUKI_PROJECT): {', '.join(names)}",
        )
    return names[0]
