"""`tasuki syncer`, `tasuki volume` and `tasuki import`: records that lie where no server sees them."""

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import Dir, Examples, settings_for
from tasuki.errors import ConfigError, IntegrityGap, RemoteUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from tasuki.volumes.syncer import VolumeSyncer

__all__ = ["IMPORT_EXAMPLES", "SYNCER_EXAMPLES", "bring", "imports", "syncer", "volume"]

SYNCER_EXAMPLES = """\
tasuki syncer --volume /mnt/shared --interval 30
tasuki syncer --volume /mnt/shared --to team --once
tasuki syncer --volume /mnt/shared --metrics 9100"""
IMPORT_EXAMPLES = """\
tasuki import trackio
tasuki import trackio ~/.cache/huggingface/trackio --watch"""
volume = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Shared volumes that a syncer reads.")
imports = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Records of other tools.")


def syncer(  # noqa: PLR0913 - what there is to say of a syncer
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="DIR", help="The volume, else TASUKI_JOURNAL, else trackio's own folder.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME|URL", help="The server, else TASUKI_REMOTE, else what the volume says.")
    ] = None,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="Between two rounds.", min=0.1)] = 30.0,
    once: Annotated[bool, typer.Option("--once", help="One round. Exits with 5 if something has not arrived.")] = False,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="[HOST:]PORT", help="Serve figures for Prometheus; HOST is else 127.0.0.1.")
    ] = None,
    remove_after: Annotated[
        float | None,
        typer.Option("--remove-after", metavar="DAYS", help="Remove journals of runs that the server has had so long.", min=0),
    ] = None,
    dir: Dir = None,
) -> None:
    """Bring what is recorded on a shared volume to a server or a Hugging Face Space, until Ctrl-C or SIGTERM.

    tasuki's journals, trackio's databases and its inbox. Without --to it goes where the volume says, which may come later, and
    change. Nothing on the volume is locked, opened as a database, or changed.
    """
    from datetime import timedelta

    from tasuki.volumes.metrics_endpoint import serving
    from tasuki.volumes.syncer import VolumeSyncer

    settings = settings_for(dir, to)
    made = VolumeSyncer(
        chosen_volume(volume, settings.journal),
        to,
        interval=interval,
        state=dir,
        remove_after=None if remove_after is None else timedelta(days=remove_after),
        say=say,
    )
    with made, serving(metrics, made.metrics) as address:
        if address:
            say(f"[syncer] figures at {address}")
        stop_when_told(made)
        if not once:
            made.run()
        elif not made.once():
            raise RemoteUnavailable("not everything has arrived", hint="what it was is said above; the next round tries again")


def chosen_volume(named: str | None, journal: "Path | None") -> "Path":
    """The volume that is meant. ConfigError if it is not there."""
    from pathlib import Path

    from tasuki.settings import trackio_folder

    folder = Path(named).expanduser().absolute() if named else journal or trackio_folder()
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", hint="tasuki syncer --volume DIR")
    return folder


def stop_when_told(made: "VolumeSyncer") -> None:
    """Ctrl-C and SIGTERM end it after the request that is under way; a second one ends it at once."""

    def told(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        made.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)


@volume.command(
    cls=Examples,
    epilog="tasuki volume init /mnt/shared --remote https://tasuki.example\ntasuki volume init /mnt/shared --space USER/SPACE",
)
def init(
    dir: Annotated[str, typer.Argument(metavar="DIR", help="The volume.")],
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="NAME|URL", help="A tasuki server, by the syncer's name.")
    ] = None,
    space: Annotated[str | None, typer.Option("--space", metavar="USER/SPACE", help="A Hugging Face Space.")] = None,
) -> None:
    """Say on a volume where its records are to go: before, in the middle of, or after a session; and again, to change it."""
    from tasuki.volumes.destination import setup_volume

    path = setup_volume(dir, remote=remote, space=space)
    say(f"{path} says {remote or space}; where runs are made: export TASUKI_JOURNAL={path.parent}")


@imports.command("trackio", cls=Examples, epilog=IMPORT_EXAMPLES)
def bring(
    folder: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="trackio's folder, else TRACKIO_DIR, else its default.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", help="Between two looks, with --watch.", min=0.1)
    ] = 5.0,
    dir: Dir = None,
) -> None:
    """Bring trackio's runs into the data folder: metrics, system metrics, configs, alerts. Doing it again brings what is new.

    trackio may go on writing: its databases are copied, never opened.
    """
    from tasuki.importers.trackio.importer import Importer
    from tasuki.settings import trackio_folder

    settings = settings_for(dir)
    with Importer(settings, chosen_volume(folder or str(trackio_folder()), None)) as importer:
        failed = importer.round(say)
        while watch:
            importer.rest(interval)
            failed = importer.round(say)
    if failed:
        raise IntegrityGap(f"{failed} projects could not be read", hint="what it was is said above")
