"""`tasuki gc`: room, once a server has what lies here."""

from contextlib import closing
from datetime import timedelta
from typing import Annotated, Any

import typer

from tasuki.cli.command import AsJson, Dir, settings_for
from tasuki.cli.folder import progress_bar
from tasuki.cli.output import Table, write
from tasuki.cli.talk import say
from tasuki.errors import ConfigError

__all__ = ["gc"]


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="NAME|URL", help="The server that has them, else TASUKI_REMOTE.")
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Remove the journals of ended runs that a server has had, whole, for longer than `retention_days` (30).

    The server is asked for each of them first: exits with 5, and removes nothing, if it can't be reached. Afterwards these runs are
    asked for with --remote.
    """
    from tasuki.journal import Folder
    from tasuki.relay import FileAcks, HttpTransport, acks_path
    from tasuki.relay.gc import forgettable, remove
    from tasuki.store import open_local

    settings = settings_for(dir, remote)
    if settings.remote is None:
        raise ConfigError("journals go only where a server has them, and none is named", hint="tasuki gc --remote team")
    if settings.journal is not None:
        raise ConfigError(f"{settings.journal} is a volume that others read", hint="its syncer is who cleans it up")
    folder = Folder(settings.journal_root, settings.lock_root)
    acks = FileAcks(acks_path(settings.dir, settings.remote))
    with closing(HttpTransport(settings.remote, token=settings.key(settings.remote))) as transport:
        old = forgettable(folder, transport, acks, timedelta(days=settings.retention_days))
    rows: list[list[Any]] = [[one.project, one.run, len(one.journals), one.size_bytes] for one in old]
    if not dry_run:
        with progress_bar("removing") as progress:
            remove(old, progress)
        acks.compact({journal.header.writer for journal in folder.journals()})
        with open_local(settings) as store:
            store.forget_gone()
    columns = ["project", "run", "journals", "bytes"]
    data = {"dry_run": dry_run, "remote": settings.remote, "runs": [dict(zip(columns, row, strict=True)) for row in rows]}
    write("gc/1", data, Table(columns, rows, ["run"]), as_json=as_json)
    say(f"{len(rows)} runs, {sum(row[3] for row in rows):,} bytes {'would go' if dry_run else 'are gone'}")
