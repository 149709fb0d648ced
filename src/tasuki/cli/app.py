"""The command `tasuki`: its groups, its version, and its error handling."""

import io
import os
import sys
from gc import set_threshold
from pathlib import Path
from typing import Annotated

import typer

from tasuki.cli import (
    alert,
    best,
    compare,
    completion,
    demo,
    exec,
    export,
    gc,
    import_command,
    mcp,
    note,
    notify,
    query,
    rebuild,
    remote,
    serve,
    summary,
    sync,
    syncer,
    token,
    verify,
    volume,
)
from tasuki.cli.agents import install
from tasuki.cli.doctor import doctor
from tasuki.cli.hpc import hpc
from tasuki.cli.job import job
from tasuki.cli.run import group as run
from tasuki.cli.shared.messages import report_errors
from tasuki.cli.shared.options import ExamplesCommand

__all__ = ["app", "main"]

app = typer.Typer(name="tasuki", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(run.app, name="run")
app.command(cls=ExamplesCommand, epilog=best.EXAMPLES)(best.best)
app.command(cls=ExamplesCommand, epilog=compare.EXAMPLES)(compare.compare)
app.command(cls=ExamplesCommand, epilog=summary.EXAMPLES)(summary.summary)
app.add_typer(alert.app, name="alert")
app.command(cls=ExamplesCommand, epilog=export.EXAMPLES)(export.export)
app.command(cls=ExamplesCommand, epilog=completion.EXAMPLES)(completion.completion)
app.add_typer(note.app, name="note")
app.add_typer(job.app, name="job")
app.add_typer(notify.app, name="notify")
app.add_typer(remote.app, name="remote")
app.add_typer(token.app, name="token")
app.add_typer(hpc.app, name="hpc")
app.add_typer(volume.app, name="volume")
app.add_typer(import_command.app, name="import")
app.command(cls=ExamplesCommand, epilog="tasuki serve\ntasuki serve --dir ~/experiments --port 7800")(serve.serve)
app.command(cls=ExamplesCommand, epilog=sync.EXAMPLES)(sync.sync)
app.command(cls=ExamplesCommand, epilog=syncer.EXAMPLES)(syncer.syncer)
app.command(cls=ExamplesCommand, epilog="tasuki demo\ntasuki demo --check")(demo.demo)
app.command("exec", cls=ExamplesCommand, epilog=exec.EXAMPLES, context_settings={"allow_interspersed_args": False})(
    exec.exec_command
)
app.command(cls=ExamplesCommand, epilog=install.EXAMPLES)(install.install)
app.command(cls=ExamplesCommand, epilog="tasuki mcp\ntasuki mcp --remote team --project digits")(mcp.mcp)
app.command(cls=ExamplesCommand, epilog=query.EXAMPLES)(query.query)
app.command(cls=ExamplesCommand, epilog="tasuki doctor\ntasuki doctor --json")(doctor.doctor)
app.command(cls=ExamplesCommand, epilog=verify.EXAMPLES)(verify.verify)
app.command(cls=ExamplesCommand, epilog="tasuki rebuild")(rebuild.rebuild)
app.command(cls=ExamplesCommand, epilog="tasuki gc --dry-run\ntasuki gc --remote team")(gc.gc)
app.command(cls=ExamplesCommand, epilog=gc.PURGE_EXAMPLES)(gc.purge)


def print_version(requested: bool) -> None:
    """Print the version and exit."""
    if requested:
        from tasuki import __version__

        typer.echo(f"tasuki {__version__}")
        raise typer.Exit


@app.callback()
def tasuki(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=print_version, is_eager=True)] = False,
) -> None:
    """Record experiments on this machine and ask about them."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command, and exit with its code."""
    set_threshold(50_000)  # a command's short life is mostly spent in making things that stay
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - in the place of one that is closed
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with report_errors():
        app(args=arguments, prog_name="tasuki")
