"""Asking from Python: `tasuki.Api()`, and which project is meant when none is named."""

import math
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from tasuki.errors import ConfigError
from tasuki.journal import project_name
from tasuki.records import AlertRow, FileRow, RunRow, Status
from tasuki.relay.remote import open_query
from tasuki.settings import load
from tasuki.store import Query, Series

__all__ = ["Api", "ApiRun", "chosen_project"]


@runtime_checkable
class Closable(Protocol):
    """What holds a file or a connection."""

    def close(self) -> None:
        """Let go of it."""
        ...


class Api:
    """Answers about what was recorded. It reads the local data folder; a `with` block, or `close()`, closes it.

    `dir`: the data folder (else TASUKI_DIR). `query`: something else to ask, already open.
    """

    def __init__(self, target: str | None = None, *, dir: str | None = None, query: Query | None = None) -> None:
        settings = load(dir=dir)
        self.default_project = settings.project
        self.query = query or open_query(target, settings)
        self.opened = query is None

    def projects(self) -> list[str]:
        """The names of all projects, sorted."""
        return [row.name for row in self.query.projects()]

    def runs(self, project: str | None = None) -> list["ApiRun"]:
        """A project's runs, the oldest first. NotFound if there is no such project.

        No project: the one of TASUKI_PROJECT, else the only one there is; ConfigError if that is not clear.
        """
        return [ApiRun(self.query, row) for row in self.query.runs(self.chosen(project))]

    def run(self, ref: str, project: str | None = None) -> "ApiRun":
        """One run, by its id, a unique beginning of it, or a name that no other run of the project has. NotFound, Conflict."""
        return ApiRun(self.query, self.query.run(self.chosen(project), ref))

    def alerts(self, project: str | None = None, run: str | None = None, reason: str | None = None) -> list[AlertRow]:
        """Alerts by time: of a project, or of one run of it (by id or name); with `reason` only those that carry it."""
        chosen = self.chosen(project)
        run_id = self.query.run(chosen, run).id if run else None
        return [row for row in self.query.alerts(chosen, run_id) if reason in (None, row.reason)]

    def chosen(self, project: str | None) -> str:
        """The project that is meant."""
        return chosen_project(self.query, project or self.default_project)

    def close(self) -> None:
        """Close what was opened."""
        if self.opened and isinstance(self.query, Closable):
            self.query.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class ApiRun:
    """A run as it was when it was listed. `status`, metrics and alerts are asked for anew each time."""

    def __init__(self, query: Query, row: RunRow) -> None:
        self.query = query
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
        """What is known of the run now: running, finished, failed or crashed; equal to these strings."""
        return self.query.run(self.project, self.id).status

    def metrics(self) -> list[str]:
        """The names of the metrics that the run has logged, sorted."""
        return sorted(summary.metric for summary in self.query.summaries(self.project, runs=[self.id]))

    def final_metrics(self) -> dict[str, float]:
        """The last value of each metric, by one question."""
        summaries = self.query.summaries(self.project, runs=[self.id])
        return {summary.metric: math.nan if summary.last is None else summary.last for summary in summaries}

    def history(self, metric: str | None = None) -> list[dict[str, Any]]:
        """What was logged: `{"step": int, "time": seconds since 1970 UTC (float), "metrics": {name: value}}`, by step and time.

        With `metric`: only the calls that logged it, and only its value.
        """
        rows = self.query.history(self.project, self.id, metric)
        return [{"step": row.step, "time": row.time / 1_000_000, "metrics": row.metrics} for row in rows]

    def series(self, metric: str) -> Series:
        """One metric as numpy arrays: `steps` and `times` (int64, microseconds since 1970 UTC), `values` (float64). NotFound."""
        return self.query.series(self.project, self.id, metric)

    def alerts(self) -> list[AlertRow]:
        """The run's alerts, by time."""
        return self.query.alerts(self.project, self.id)

    def files(self) -> list[FileRow]:
        """The run's files, and the values that were logged and are no numbers, in the order in which they came."""
        return self.query.files(self.project, self.id)


def chosen_project(query: Query, given: str | None) -> str:
    """The given project, else the only one there is. ConfigError, naming them, when there are several; or none."""
    if given:
        return project_name(given)
    names = [row.name for row in query.projects()]
    if not names:
        raise ConfigError("nothing is recorded here yet", hint='tasuki.init(project="digits") starts a run')
    if len(names) > 1:
        raise ConfigError(
            f"there are {len(names)} projects; which one?",
            hint=f"name it (--project, project=, TASUKI_PROJECT): {', '.join(names)}",
        )
    return names[0]
