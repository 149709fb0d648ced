"""The command `tasuki syncer`."""

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import Dir, load_command_settings
from tasuki.errors import ConfigError, RemoteUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from tasuki.volumes.syncer import VolumeSyncer

__all__ = ["EXAMPLES", "resolve_volume", "syncer"]

EXAMPLES = """\
tasuki syncer --volume /mnt/shared --interval 30
tasuki syncer --volume /mnt/shared --to team --once
tasuki syncer --volume /mnt/shared --metrics 9100"""


def syncer(  # noqa: PLR0913 - what there is to say of a syncer
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="DIR", help="The volume (default: TASUKI_JOURNAL, else trackio's own folder).")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME|URL", help="The server (default: TASUKI_REMOTE, else the volume's destination)."),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", help="Pause between two rounds, in seconds.", min=0.1)
    ] = 30.0,
    once: Annotated[bool, typer.Option("--once", help="Do one round. Exit with 5 if something has not arrived.")] = False,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="[HOST:]PORT", help="Serve metrics for Prometheus (default HOST: 127.0.0.1).")
    ] = None,
    remove_after: Annotated[
        float | None,
        typer.Option(
            "--remove-after", metavar="DAYS", help="Remove journals of runs that the server has had for this many days.", min=0
        ),
    ] = None,
    dir: Dir = None,
) -> None:
    """Send records of a shared volume to a server or a Hugging Face Space, until Ctrl-C or SIGTERM.

    tasuki's journals, trackio's databases and its inbox. Without --to it goes where the volume says, which may come later, and
    change. Nothing on the volume is locked, opened as a database, or changed.
    """
    from datetime import timedelta

    from tasuki.volumes.metrics_endpoint import serve_metrics
    from tasuki.volumes.syncer import VolumeSyncer

    settings = load_command_settings(dir, to)
    made = VolumeSyncer(
        resolve_volume(volume, settings.journal),
        to,
        interval=interval,
        state=dir,
        remove_after=None if remove_after is None else timedelta(days=remove_after),
        say=print_message,
    )
    with made, serve_metrics(metrics, made.metrics) as address:
        if address:
            print_message(f"[syncer] figures at {address}")
        stop_on_signals(made)
        if not once:
            made.run()
        elif not made.once():
            raise RemoteUnavailable("not everything has arrived", hint="what it was is said above; the next round tries again")


def resolve_volume(requested: str | None, journal: "Path | None") -> "Path":
    """The volume that is meant. ConfigError if it is not there."""
    from pathlib import Path

    from tasuki.settings import trackio_folder

    folder = Path(requested).expanduser().absolute() if requested else journal or trackio_folder()
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", hint="tasuki syncer --volume DIR")
    return folder


def stop_on_signals(volume_syncer: "VolumeSyncer") -> None:
    """Ctrl-C and SIGTERM end it after the request that is under way; a second one ends it at once."""

    def handle_signal(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        volume_syncer.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle_signal)
