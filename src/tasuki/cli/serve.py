"""The command `tasuki serve`."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.options import Dir, load_command_settings

if TYPE_CHECKING:
    pass

__all__ = ["serve"]

DEFAULT_PORT = 7700


def serve(
    dir: Dir = None,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on; one that other machines reach requires tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 selects a free one.", min=0, max=65535)] = DEFAULT_PORT,
    demo_jobs: Annotated[bool, typer.Option("--demo-jobs", help="Start a fake Replicate, to try jobs out.")] = False,
) -> None:
    """Serve a data folder: the page, the HTTP API, and a receiver of records from other machines.

    Until Ctrl-C. Without tokens for this machine alone; with `--host 0.0.0.0` for others, once there are tokens. What was received
    is on the disk before it is acknowledged.
    """
    from tasuki.demo.jobs import with_demo_jobs
    from tasuki.server.serve import serve as serve_folder

    settings = load_command_settings(dir)
    with with_demo_jobs(settings) if demo_jobs else nullcontext(settings) as chosen:
        serve_folder(chosen, host, port)
