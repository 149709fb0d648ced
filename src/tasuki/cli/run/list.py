"""The command `tasuki run list`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import (
    build_list_cells,
    nan_if_none,
    run_to_dict,
    select_key_metrics,
)
from tasuki.cli.shared.completers import complete_run_status
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, open_query_target
from tasuki.cli.shared.output import Table, write_result
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    pass

__all__ = ["EXAMPLES", "list_command", "list_runs"]

EXAMPLES = """\
tasuki run list
tasuki run list --status failed
tasuki run list --project digits --json"""


def list_command(
    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="STATUS", help="Show only this status. May repeat.", autocompletion=complete_run_status),
    ] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List a project's runs, oldest first.

    Among the columns are the last values of up to three metrics: those that most runs have.
    """
    with open_query_target(dir, project, remote) as asked:
        list_runs(asked, status or [], as_json=as_json)


def list_runs(target: QueryTarget, statuses: list[str], *, as_json: bool) -> None:
    """Print a project's runs, or those in some states, the oldest first."""
    from tasuki.records import Status

    if unknown := set(statuses) - set(Status):
        raise ConfigError(f"there is no status {unknown.pop()!r}", hint=f"one of {', '.join(Status)}")
    runs = [run for run in target.query.runs(target.project) if not statuses or run.status in statuses]
    last: dict[str, dict[str, float]] = {run.id: {} for run in runs}
    for summary in target.query.summaries(target.project, last if statuses else None):
        if summary.run in last:  # a run may have begun between the two questions
            last[summary.run][summary.metric] = nan_if_none(summary.last)
    metrics = select_key_metrics(last.values())
    table = Table(
        ["name", "id", "status", "points", "created", "duration", *metrics],
        [[*build_list_cells(run), *(last[run.id].get(metric) for metric in metrics)] for run in runs],
    )
    data = {"project": target.project, "runs": [run_to_dict(run) | {"last": last[run.id]} for run in runs]} if as_json else {}
    write_result("run-list/1", data, table, as_json=as_json)
