"""The command group `tasuki run`: its commands, in the order of `--help`."""

import typer

from tasuki.cli.run import diff, edit, list, show, stop, wait
from tasuki.cli.shared.options import Examples

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List runs, show one, wait for it, change it.")
app.command("list", cls=Examples, epilog=list.EXAMPLES)(list.list_command)
app.command("show", cls=Examples, epilog=show.SHOW_EXAMPLES)(show.show_command)
app.command("history", cls=Examples, epilog=show.HISTORY_EXAMPLES)(show.history_command)
app.command("output", cls=Examples, epilog=show.OUTPUT_EXAMPLES)(show.output_command)
app.command("stop", cls=Examples, epilog=stop.EXAMPLES)(stop.stop_command)
app.command("files", cls=Examples, epilog=show.FILES_EXAMPLES)(show.files_command)
app.command(cls=Examples, epilog=diff.EXAMPLES)(diff.diff)
app.command(cls=Examples, epilog=wait.EXAMPLES)(wait.wait)
app.command(cls=Examples, epilog=edit.TAG_EXAMPLES)(edit.tag)
app.command(cls=Examples, epilog=edit.EDIT_EXAMPLES)(edit.edit)
app.command(cls=Examples, epilog=edit.DELETE_EXAMPLES)(edit.delete)
