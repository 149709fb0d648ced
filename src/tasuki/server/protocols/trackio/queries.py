"""Read calls of trackio's client, made before logging, on resuming, and by its command line.

With a `log` token, they return only the runs that the token's principal has created, so that these can be resumed.
"""

from datetime import UTC, datetime
from typing import Any

from tasuki.errors import ConfigError, NotFound
from tasuki.importers.trackio.entry_mapping import SYSTEM_PREFIX, map_run_id, parse_time_us
from tasuki.journal import normalize_project_name
from tasuki.records import AlertRow, MetricSummary, RunRow
from tasuki.server.auth.guards import forbidden_problem
from tasuki.server.auth.principal import Scope
from tasuki.server.protocols.trackio import requests as asked
from tasuki.server.protocols.trackio.call_context import CallContext
from tasuki.server.workers.reader_pool import ProjectionState
from tasuki.store import Queries

__all__ = ["alerts", "all_projects", "metrics_for_run", "project_summary", "run_summary", "runs_for_project"]


async def all_projects(context: CallContext, _: asked.NoArguments) -> list[str]:
    """Return the names of the projects that the principal may read."""
    rows = (await context.readers.run_query(lambda queries, _: queries.projects())).value
    return [row.name for row in rows if context.principal.has_scope(Scope.READ, row.name)]


async def runs_for_project(context: CallContext, arguments: asked.ProjectArguments) -> list[dict[str, Any]]:
    """Return the runs of a project; an empty list for an unknown project."""
    return [
        {"id": row.id, "name": row.name, "created_at": format_time(row.created)}
        for row in await list_visible_runs(context, arguments.project)
    ]


async def project_summary(context: CallContext, arguments: asked.ProjectArguments) -> dict[str, Any]:
    """Return the runs of a project, and the highest step of all of them."""
    runs = await runs_for_project(context, arguments)
    last = [summary.last_step for summary in await list_step_summaries(context, arguments.project, [run["id"] for run in runs])]
    return {"project": arguments.project, "num_runs": len(runs), "runs": runs, "last_activity": max(last, default=None)}


async def run_summary(context: CallContext, arguments: asked.RunArguments) -> dict[str, Any]:
    """Return the config, the metric names, and the highest step of a run."""
    run = await find_run(context, arguments)
    found = [] if run is None else await list_step_summaries(context, arguments.project, [run.id])
    return {
        "project": arguments.project,
        "run": arguments.run if run is None else run.name,
        "run_id": arguments.run_id if run is None else run.id,
        "num_logs": max((summary.n for summary in found), default=0),
        "metrics": [summary.metric for summary in found],
        "config": None if run is None else run.config,
        "last_step": max((summary.last_step for summary in found), default=None),
    }


async def metrics_for_run(context: CallContext, arguments: asked.RunArguments) -> list[str]:
    """Return the metric names of a run."""
    run = await find_run(context, arguments)
    return [] if run is None else [summary.metric for summary in await list_step_summaries(context, arguments.project, [run.id])]


async def alerts(context: CallContext, arguments: asked.AlertArguments) -> list[dict[str, Any]]:
    """Return the alerts of a project or a run, latest first."""
    named = asked.RunArguments(project=arguments.project, run=arguments.run, run_id=arguments.run_id)
    wanted = {row.id for row in await list_visible_runs(context, arguments.project)}
    if arguments.run or arguments.run_id:
        run = await find_run(context, named)
        wanted &= set() if run is None else {run.id}
    since = 0 if arguments.since is None else parse_time_us(arguments.since, 0)

    def query(queries: Queries, _: ProjectionState) -> list[AlertRow]:
        return queries.alerts(arguments.project)

    found = (await context.readers.run_query(query)).value if wanted else []
    return [
        {
            "timestamp": format_time(row.time), "run": row.run_name, "title": row.title, "text": row.text, "level": row.level,
            "step": row.step, "data": row.data,
        }
        for row in reversed(found)
        if row.run in wanted and arguments.level in (None, row.level) and row.time > since
    ]  # fmt: skip


# -- helpers


async def list_visible_runs(context: CallContext, project: str) -> list[RunRow]:
    """Return the runs of a project that the principal may see, oldest first.

    Raise 403 without access to the project.
    """
    principal = context.principal
    if not principal.has_scope(Scope.READ, project) and not principal.has_scope(Scope.LOG, project):
        raise forbidden_problem(principal, Scope.READ, project)

    def query(queries: Queries, _: ProjectionState) -> list[RunRow]:
        try:
            return queries.runs(normalize_project_name(project))
        except (NotFound, ConfigError):
            return []

    rows = (await context.readers.run_query(query)).value
    if principal.has_scope(Scope.READ, project):
        return rows
    return [row for row in rows if context.tokens.find_owner(row.project, row.id, "") == principal.name]


async def find_run(context: CallContext, arguments: asked.RunArguments) -> RunRow | None:
    """Return the run with the given id, else the latest run with the name; None if no run matches."""
    rows = await list_visible_runs(context, arguments.project)
    if arguments.run_id is not None:
        id = map_run_id(arguments.run, arguments.run_id)
        return next((row for row in rows if row.id == id), None)
    return next((row for row in reversed(rows) if row.name == arguments.run or row.id == arguments.run), None)


async def list_step_summaries(context: CallContext, project: str, runs: list[str]) -> list[MetricSummary]:
    """Return the metric summaries of runs without system metrics, whose steps are counted separately."""

    def query(queries: Queries, _: ProjectionState) -> list[MetricSummary]:
        return queries.summaries(normalize_project_name(project), runs)

    found = (await context.readers.run_query(query)).value if runs else []
    return [summary for summary in found if not summary.metric.startswith(f"{SYSTEM_PREFIX}/")]


def format_time(time_us: int) -> str:
    """Return a time (microseconds since 1970 UTC) in trackio's format: ISO 8601 UTC."""
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat()
