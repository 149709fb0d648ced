"""The command group `tasuki volume`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import ExamplesCommand

if TYPE_CHECKING:
    pass

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Shared volumes that a syncer reads.")


@app.command(
    cls=ExamplesCommand,
    epilog="tasuki volume init /mnt/shared --remote https://tasuki.example\ntasuki volume init /mnt/shared --space USER/SPACE",
)
def init(
    dir: Annotated[str, typer.Argument(metavar="DIR", help="The volume.")],
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="NAME|URL", help="A tasuki server, by its address or its name at the syncer.")
    ] = None,
    space: Annotated[str | None, typer.Option("--space", metavar="USER/SPACE", help="A Hugging Face Space.")] = None,
) -> None:
    """Set the destination of a volume's records. May be repeated at any time, to change it."""
    from tasuki.volumes.destination import setup_volume

    path = setup_volume(dir, remote=remote, space=space)
    print_message(f"{path} says {remote or space}; where runs are made: export TASUKI_JOURNAL={path.parent}")
