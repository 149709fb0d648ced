"""The command group `tasuki import`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import Dir, ExamplesCommand, load_command_settings
from tasuki.errors import MissingRecords

if TYPE_CHECKING:
    pass
from tasuki.cli.syncer import resolve_volume

__all__ = ["app", "import_trackio"]

EXAMPLES = """\
tasuki import trackio
tasuki import trackio ~/.cache/huggingface/trackio --watch"""
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Import records of other trackers.")


@app.command("trackio", cls=ExamplesCommand, epilog=EXAMPLES)
def import_trackio(
    folder: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="trackio's folder (default: TRACKIO_DIR, else trackio's own).", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Continue until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", help="Pause between two rounds with --watch, in seconds.", min=0.1)
    ] = 5.0,
    dir: Dir = None,
) -> None:
    """Import trackio's runs: metrics, system metrics, configs, alerts. Repeating it imports what is new.

    trackio may go on writing: its databases are copied, never opened.
    """
    from tasuki.importers.trackio.importer import Importer
    from tasuki.settings import trackio_folder

    settings = load_command_settings(dir)
    with Importer(settings, resolve_volume(folder or str(trackio_folder()), None)) as importer:
        failed = importer.run_round(print_message)
        while watch:
            importer.sleep(interval)
            failed = importer.run_round(print_message)
    if failed:
        raise MissingRecords(f"{failed} projects could not be read", hint="what it was is said above")
