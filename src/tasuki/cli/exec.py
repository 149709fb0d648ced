"""The command `tasuki exec`: any program as a run."""

import sys
from typing import Annotated

import typer

from tasuki.cli.shared.options import Dir
from tasuki.errors import ConfigError

__all__ = ["EXAMPLES", "exec_command"]

EXAMPLES = "tasuki exec -- ./solver input.dat\ntasuki exec --project cfd --name coarse -- mpirun -n 4 ./solver --mesh coarse"


def exec_command(  # noqa: PLR0913 - each is an option
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The program and its arguments, preferably after `--`.")],
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="The project (default: TASUKI_PROJECT).")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Name of the run (default: the program's).")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="TEXT", help="Group of the run.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TEXT", help="A tag. May repeat.")] = None,
    dir: Dir = None,
    remote: Annotated[
        str | None,
        typer.Option("--remote", metavar="NAME|URL", help="Send the run's records to this server (default: TASUKI_REMOTE)."),
    ] = None,
) -> None:
    """Run a program as a run, and exit with its exit code.

    What it prints is passed on as it comes, and kept: `tasuki run output RUN`. Signals are passed on to it. The run has failed if
    the program's exit code is not 0. A request to stop the run is passed on as SIGTERM.
    """
    from tasuki.sdk.capture.redact import redact_arguments
    from tasuki.sdk.exec import Program, compute_exit_code
    from tasuki.sdk.module_functions import init

    program = Program.find(command)
    if program is None:
        raise ConfigError(f"there is no program {command[0]!r}", hint="is it on the PATH? else give its path: ./solver")
    config = {"command": redact_arguments(command)}
    run = init(project, name or program.name, group=group, tags=tag or (), config=config, dir=dir, remote=remote)
    status = program.run(run)
    sys.exit(compute_exit_code(status))
