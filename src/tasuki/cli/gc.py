"""The commands `tasuki gc` and `tasuki purge`."""

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, confirm, load_command_settings, open_query_target
from tasuki.cli.shared.output import Table, progress_bar, write_result
from tasuki.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from tasuki.client.http_query import HttpQuery

__all__ = ["PURGE_EXAMPLES", "gc", "purge"]

PURGE_EXAMPLES = """\
tasuki purge lr-1.0 --remote team
tasuki purge m6u9p2xk --project digits --remote team --yes"""


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be removed, and change nothing.")] = False,
    remote: Annotated[
        str | None,
        typer.Option("--remote", metavar="NAME|URL", help="The server that must have the runs (default: TASUKI_REMOTE)."),
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Remove journals of ended runs that a server has had, whole, for `retention_days` (30).

    The server is asked for each of them first: exits with 5, and removes nothing, if it can't be reached. Afterwards these runs are
    asked for with --remote.
    """
    from tasuki.client.gc import find_removable_runs, remove_journals
    from tasuki.journal import JournalFolder
    from tasuki.relay import AckLog, HttpTransport, acks_path
    from tasuki.store import open_folder_store

    settings = load_command_settings(dir, remote)
    if settings.remote is None:
        raise ConfigError("journals go only where a server has them, and none is named", hint="tasuki gc --remote team")
    if settings.journal is not None:
        raise ConfigError(f"{settings.journal} is a volume that others read", hint="its syncer is who cleans it up")
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    acks = AckLog(acks_path(settings.dir, settings.remote))
    with closing(HttpTransport(settings.remote, token=settings.key(settings.remote))) as transport:
        old = find_removable_runs(folder, transport, acks, timedelta(days=settings.retention_days))
    rows: list[list[Any]] = [[one.project, one.run, len(one.journals), one.size_bytes] for one in old]
    if not dry_run:
        with progress_bar("removing") as progress:
            remove_journals(old, progress)
        acks.compact({journal.header.writer for journal in folder.journals()})
        with open_folder_store(settings) as store:
            store.forget_runs_without_streams()
    columns = ["project", "run", "journals", "bytes"]
    data = {"dry_run": dry_run, "remote": settings.remote, "runs": [dict(zip(columns, row, strict=True)) for row in rows]}
    write_result("gc/1", data, Table(columns, rows, ["run"]), as_json=as_json)
    print_message(f"{len(rows)} runs, {sum(row[3] for row in rows):,} bytes {'would go' if dry_run else 'are gone'}")


def purge(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Run ids, unique prefixes, or unique names; deleted runs by their full ids."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    remote: Annotated[str | None, typer.Option("--remote", metavar="NAME|URL", help="The server (default: TASUKI_REMOTE).")] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Drop all bytes that a server holds of runs, for good.

    They are gone from its answers, and what is sent of them again is discarded. Journals elsewhere stay. It takes a token to write.
    """
    from tasuki.client.http_query import HttpQuery
    from tasuki.remotes import RemotesFile

    settings = load_command_settings(dir, remote)
    if settings.remote is None:
        raise ConfigError("no server is named", hint="tasuki purge RUN --remote team; here it is: tasuki run delete, tasuki gc")
    url = RemotesFile(settings.dir).resolve_url(settings.remote)
    with open_query_target(dir, project, url) as asked, HttpQuery(url, settings.key(url)) as server:
        ids = list(dict.fromkeys(resolve_run_id(asked, run) for run in runs))
        if not yes:
            confirm("runs", ids, "--yes purges without asking")
        rows = [[id, purge_run(server, asked.project, id)] for id in ids]
    data = {"project": asked.project, "runs": [{"id": id, "streams": streams} for id, streams in rows]}
    write_result("purge/1", data, Table(["id", "streams"], rows), as_json=as_json)


def resolve_run_id(target: QueryTarget, ref: str) -> str:
    """Return a run's id; of a deleted run, the given text."""
    try:
        return target.query.run(target.project, ref).id
    except NotFound:
        return ref


def purge_run(query: "HttpQuery", project: str, run: str) -> int:
    """Purge a run. Raise NotFound if the server holds nothing of it."""
    streams = query.purge(project, run)
    if not streams:
        raise NotFound(f"{query.url} holds nothing of a run {run!r} in project {project!r}")
    return streams
