"""What trackio's client asks before it logs, to resume a run, and the plain questions of its command line.

A `log` token reads nothing else here; it is told of the runs that its principal has created, so that these can be resumed.
"""

from datetime import UTC, datetime
from typing import Any

from tasuki.errors import ConfigError, NotFound
from tasuki.importers.trackio.entry_mapping import SYSTEM, moment_us, run_of
from tasuki.journal import project_name
from tasuki.records import AlertRow, MetricSummary, RunRow
from tasuki.server.auth.guards import forbidden
from tasuki.server.auth.principal import Scope
from tasuki.server.protocols.trackio import requests as asked
from tasuki.server.protocols.trackio.call_context import CallContext
from tasuki.server.workers.reader_pool import ProjectionState
from tasuki.store import Queries

__all__ = ["alerts", "all_projects", "metrics_for_run", "project_summary", "run_summary", "runs_for_project"]


async def all_projects(caller: CallContext, _: asked.NoArguments) -> list[str]:
    """The names of the projects that may be read."""
    rows = (await caller.readers.ask(lambda questions, _: questions.projects())).value
    return [row.name for row in rows if caller.principal.may(Scope.READ, row.name)]


async def runs_for_project(caller: CallContext, given: asked.ProjectArguments) -> list[dict[str, Any]]:
    """The runs of a project; none of one that is not there."""
    return [
        {"id": row.id, "name": row.name, "created_at": moment_text(row.created)}
        for row in await visible_runs(caller, given.project)
    ]


async def project_summary(caller: CallContext, given: asked.ProjectArguments) -> dict[str, Any]:
    """A project's runs, and the highest step of them."""
    runs = await runs_for_project(caller, given)
    last = [summary.last_step for summary in await logged_metrics(caller, given.project, [run["id"] for run in runs])]
    return {"project": given.project, "num_runs": len(runs), "runs": runs, "last_activity": max(last, default=None)}


async def run_summary(caller: CallContext, given: asked.RunArguments) -> dict[str, Any]:
    """A run's config, the names of its metrics, and its highest step."""
    run = await one_run(caller, given)
    found = [] if run is None else await logged_metrics(caller, given.project, [run.id])
    return {
        "project": given.project,
        "run": given.run if run is None else run.name,
        "run_id": given.run_id if run is None else run.id,
        "num_logs": max((summary.n for summary in found), default=0),
        "metrics": [summary.metric for summary in found],
        "config": None if run is None else run.config,
        "last_step": max((summary.last_step for summary in found), default=None),
    }


async def metrics_for_run(caller: CallContext, given: asked.RunArguments) -> list[str]:
    """The names of a run's metrics."""
    run = await one_run(caller, given)
    return [] if run is None else [summary.metric for summary in await logged_metrics(caller, given.project, [run.id])]


async def alerts(caller: CallContext, given: asked.AlertArguments) -> list[dict[str, Any]]:
    """Alerts of a project or of a run, the latest first."""
    named = asked.RunArguments(project=given.project, run=given.run, run_id=given.run_id)
    wanted = {row.id for row in await visible_runs(caller, given.project)}
    if given.run or given.run_id:
        run = await one_run(caller, named)
        wanted &= set() if run is None else {run.id}
    since = 0 if given.since is None else moment_us(given.since, 0)

    def question(questions: Queries, _: ProjectionState) -> list[AlertRow]:
        return questions.alerts(given.project)

    found = (await caller.readers.ask(question)).value if wanted else []
    return [
        {
            "timestamp": moment_text(row.time), "run": row.run_name, "title": row.title, "text": row.text, "level": row.level,
            "step": row.step, "data": row.data,
        }
        for row in reversed(found)
        if row.run in wanted and given.level in (None, row.level) and row.time > since
    ]  # fmt: skip


# -- how


async def visible_runs(caller: CallContext, project: str) -> list[RunRow]:
    """The runs of a project that the caller may know of, the oldest first. Refusal (403) for a token that is not for it."""
    principal = caller.principal
    if not principal.may(Scope.READ, project) and not principal.may(Scope.LOG, project):
        raise forbidden(principal, Scope.READ, project)

    def question(questions: Queries, _: ProjectionState) -> list[RunRow]:
        try:
            return questions.runs(project_name(project))
        except (NotFound, ConfigError):
            return []

    rows = (await caller.readers.ask(question)).value
    if principal.may(Scope.READ, project):
        return rows
    return [row for row in rows if caller.tokens.owner(row.project, row.id, "") == principal.name]


async def one_run(caller: CallContext, given: asked.RunArguments) -> RunRow | None:
    """The run of an id, else the latest of a name."""
    rows = await visible_runs(caller, given.project)
    if given.run_id is not None:
        id = run_of(given.run, given.run_id)
        return next((row for row in rows if row.id == id), None)
    return next((row for row in reversed(rows) if row.name == given.run or row.id == given.run), None)


async def logged_metrics(caller: CallContext, project: str, runs: list[str]) -> list[MetricSummary]:
    """The summaries of what runs have logged by step; system metrics have a count of their own."""

    def question(questions: Queries, _: ProjectionState) -> list[MetricSummary]:
        return questions.summaries(project_name(project), runs)

    found = (await caller.readers.ask(question)).value if runs else []
    return [summary for summary in found if not summary.metric.startswith(f"{SYSTEM}/")]


def moment_text(time_us: int) -> str:
    """A time as trackio writes it."""
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat()
