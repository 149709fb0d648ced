"""The command `tasuki run list`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import (
    key_metrics,
    list_cells,
    number,
    run_data,
)
from tasuki.cli.shared.completers import complete_run_status
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, asking
from tasuki.cli.shared.output import Table, write
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
        typer.Option(
            "--status", metavar="STATUS", help="Only those in this state. May repeat.", autocompletion=complete_run_status
        ),
    ] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List a project's runs, the oldest first.

    Among the columns are the last values of up to three metrics: those that most runs have.
    """
    with asking(dir, project, remote) as asked:
        list_runs(asked, status or [], as_json=as_json)


def list_runs(asked: QueryTarget, statuses: list[str], *, as_json: bool) -> None:
    """Print a project's runs, or those in some states, the oldest first."""
    from tasuki.records import Status

    if unknown := set(statuses) - set(Status):
        raise ConfigError(f"there is no status {unknown.pop()!r}", hint=f"one of {', '.join(Status)}")
    runs = [run for run in asked.query.runs(asked.project) if not statuses or run.status in statuses]
    last: dict[str, dict[str, float]] = {run.id: {} for run in runs}
    for summary in asked.query.summaries(asked.project, last if statuses else None):
        if summary.run in last:  # a run may have begun between the two questions
            last[summary.run][summary.metric] = number(summary.last)
    metrics = key_metrics(last.values())
    table = Table(
        ["name", "id", "status", "points", "created", "duration", *metrics],
        [[*list_cells(run), *(last[run.id].get(metric) for metric in metrics)] for run in runs],
    )
    data = {"project": asked.project, "runs": [run_data(run) | {"last": last[run.id]} for run in runs]} if as_json else {}
    write("run-list/1", data, table, as_json=as_json)
