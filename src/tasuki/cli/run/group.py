"""The command group `tasuki run`: its commands, in the order of `--help`."""

import typer

from tasuki.cli.run import diff, edit, list, show, stop, wait
from tasuki.cli.shared.options import ExamplesCommand

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List runs, show, wait for, and edit them.")
app.command("list", cls=ExamplesCommand, epilog=list.EXAMPLES)(list.list_command)
app.command("show", cls=ExamplesCommand, epilog=show.SHOW_EXAMPLES)(show.show_command)
app.command("history", cls=ExamplesCommand, epilog=show.HISTORY_EXAMPLES)(show.history_command)
app.command("output", cls=ExamplesCommand, epilog=show.OUTPUT_EXAMPLES)(show.output_command)
app.command("stop", cls=ExamplesCommand, epilog=stop.EXAMPLES)(stop.stop_command)
app.command("files", cls=ExamplesCommand, epilog=show.FILES_EXAMPLES)(show.files_command)
app.command(cls=ExamplesCommand, epilog=diff.EXAMPLES)(diff.diff)
app.command(cls=ExamplesCommand, epilog=wait.EXAMPLES)(wait.wait)
app.command(cls=ExamplesCommand, epilog=edit.TAG_EXAMPLES)(edit.tag)
app.command(cls=ExamplesCommand, epilog=edit.EDIT_EXAMPLES)(edit.edit)
app.command(cls=ExamplesCommand, epilog=edit.DELETE_EXAMPLES)(edit.delete)
