"""The command `tasuki run stop`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import (
    run_to_dict,
)
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, Project, Remote, RunArgument
from tasuki.cli.shared.output import write_json
from tasuki.clock import datetime_from_us

if TYPE_CHECKING:
    from tasuki.records import RunRow

__all__ = ["EXAMPLES", "show_stop_request", "stop_command"]

EXAMPLES = """\
tasuki run stop lr-1.0 --reason diverges
tasuki run stop m6u9 --remote team"""


def stop_command(
    run: RunArgument,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Reason, returned by `should_stop()`.")] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Request that a run stops: its `should_stop()` is true within two seconds.

    The request is on record, and waits for a run whose machine is offline. It is for the run's latest attempt: one that is resumed
    later goes on. The first request stands. Exits with 4 if the run is over.
    """
    from tasuki.sdk.query.api import Api

    with Api(remote, dir=dir) as api:
        show_stop_request(api.run(run, api.resolve_project(project)).stop(reason), as_json=as_json)


def show_stop_request(run: "RunRow", *, as_json: bool) -> None:
    """Print a run that was asked to stop."""
    if as_json:
        write_json("run-stop/1", run_to_dict(run))
    elif run.stop is not None:
        when = f"{datetime_from_us(run.stop.time):%Y-%m-%d %H:%M:%S}Z"
        waits = "; it has been silent for a minute, and the request waits for it" if run.status.is_final else ""
        print_message(f"asked: {run.name} ({run.id}), by {run.stop.by or 'somebody'} at {when}{waits}")
