"""The command `tasuki sync`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.options import AsJson, Dir, load_command_settings
from tasuki.cli.shared.output import Table, progress_bar, write_result
from tasuki.errors import ConfigError, RemoteRejected

if TYPE_CHECKING:
    pass
from tasuki.cli.shared.options import ProjectFilter, require_remote

__all__ = ["EXAMPLES", "sync"]

EXAMPLES = """\
tasuki sync --to http://127.0.0.1:7700
tasuki sync --project digits
tasuki sync retry --set-aside"""
ToOption = Annotated[str | None, typer.Option("--to", metavar="NAME|URL", help="The server (default: TASUKI_REMOTE).")]


def sync(
    action: Annotated[
        str | None, typer.Argument(metavar="[retry]", help="Retry; requires --set-aside.", show_default=False)
    ] = None,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="Retry records that the server refused before.")] = False,
    to: ToOption = None,
    project: ProjectFilter = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Send everything that a server does not have yet, once; `retry --set-aside`: dead letters, too.

    Sends even where the sending of itself is switched off. Exits with 5 if the server can't be reached, or does not take something;
    what was sent by then stays sent.
    """
    if (action is None) == set_aside or action not in (None, "retry"):
        raise ConfigError(f"tasuki sync {action or ''} is not clear", hint="tasuki sync, or tasuki sync retry --set-aside")
    from tasuki.journal import JournalFolder, JournalSource
    from tasuki.relay import HttpTransport, open_remote_state
    from tasuki.relay import run_sync as send_all

    settings = load_command_settings(dir, to)
    remote = require_remote(settings)
    source = JournalSource(JournalFolder(settings.journal_root, settings.lock_root))
    transport, kept = HttpTransport(remote, token=settings.key(remote)), open_remote_state(settings.dir, remote)
    with progress_bar("sending") as progress:
        done = send_all(source, transport, kept, project=project, with_dead_letters=set_aside, on_progress=progress)
    source.close()
    data = {"remote": remote, "streams": done.streams, "sent": done.sent, "pending": done.pending, "set_aside": done.dead_letters}
    table = Table(
        ["remote", "streams", "sent", "pending", "set aside"],
        [[remote, done.streams, done.sent, done.pending, len(done.dead_letters)]],
    )
    write_result("sync/1", data, table, as_json=as_json)
    if done.dead_letters:
        writer, reason = next(iter(done.dead_letters.items()))
        raise RemoteRejected(f"{remote} refused {len(done.dead_letters)} streams, the first of them {writer}: {reason}")
