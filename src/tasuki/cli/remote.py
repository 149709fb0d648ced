"""`tasuki serve`, `sync` and `remote`: a server, and what a folder has to do with one."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.command import AsJson, Dir, Examples, Remote, settings_for
from tasuki.cli.folder import progress_bar, verify_store
from tasuki.cli.output import Table, write
from tasuki.cli.talk import say
from tasuki.errors import ConfigError, IntegrityGap, RemoteRejected, RemoteUnavailable

if TYPE_CHECKING:
    from tasuki.settings import Settings

__all__ = ["app", "serve", "sync", "verify"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Servers that records are sent to.")
To = Annotated[str | None, typer.Option("--to", metavar="URL", help="The server, else TASUKI_REMOTE.")]
OnlyProject = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")]
DEFAULT_PORT = 7700


def serve(
    dir: Dir = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on; of this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 takes any free one.", min=0, max=65535)] = DEFAULT_PORT,
) -> None:
    """Serve a data folder: the page, the HTTP API, and a place for runs elsewhere to send their records to.

    Until Ctrl-C. What was received is on the disk before it is acknowledged.
    """
    from tasuki.server.serve import serve as serve_folder

    serve_folder(settings_for(dir), host, port)


def sync(to: To = None, project: OnlyProject = None, as_json: AsJson = False, dir: Dir = None) -> None:
    """Send everything that a server does not have yet, once.

    Exits with 5 if the server can't be reached; what was sent by then stays sent.
    """
    from tasuki.journal import Folder, FolderSource
    from tasuki.relay import FileAcks, HttpTransport, acks_path
    from tasuki.relay import sync as send_all

    settings = settings_for(dir)
    remote = chosen_remote(settings, to)
    source = FolderSource(Folder(settings.journal_root, settings.lock_root))
    transport, acks = HttpTransport(remote, token=settings.token), FileAcks(acks_path(settings.dir, remote))
    with progress_bar("sending") as progress:
        done = send_all(source, transport, acks, project=project, progress=progress)
    source.close()
    data = {"remote": remote, "streams": done.streams, "sent": done.sent, "pending": done.pending, "set_aside": done.aside}
    table = Table(
        ["remote", "streams", "sent", "pending", "set aside"], [[remote, done.streams, done.sent, done.pending, len(done.aside)]]
    )
    write("sync/1", data, table, as_json=as_json)
    if done.aside:
        writer, reason = next(iter(done.aside.items()))
        raise RemoteRejected(f"{remote} refused {len(done.aside)} streams, the first of them {writer}: {reason}")


def verify(as_json: AsJson = False, dir: Dir = None, remote: Remote = None, project: OnlyProject = None) -> None:
    """Check every journal, and the store, or a server, against all of them.

    Every checksum is computed anew. The store is compared with a fresh one; with --remote, a server's streams with ours, by length
    and sha256. Exits with 6 if anything is wrong.
    """
    if remote is None:
        verify_store(dir, as_json=as_json)
    else:
        verify_remote(remote, project, dir, as_json=as_json)


def verify_remote(remote: str, project: str | None, dir: str | None, *, as_json: bool) -> None:
    """Compare a folder with a server, stream by stream. IntegrityGap if they differ."""
    from tasuki.journal import Folder
    from tasuki.relay import FileAcks, acks_path
    from tasuki.relay.compare import compare
    from tasuki.relay.peer import Peer

    settings = settings_for(dir)
    folder = Folder(settings.journal_root, settings.lock_root)
    with Peer(remote, settings.token) as peer:
        found = compare(folder, peer, FileAcks(acks_path(settings.dir, remote)), project=project)
    columns = ["project", "run", "writer", "difference", "missing records"]
    data = {
        "remote": remote,
        "streams": found.streams,
        "records": found.records,
        "differences": [dict(zip(columns, row, strict=True)) for row in found.differences],
    }
    if found.differences or as_json:
        write("verify-remote/1", data, Table(columns, found.differences, ["writer", "difference"]), as_json=as_json)
    if found.differences:
        missing = sum(difference.records for difference in found.differences)
        raise IntegrityGap(
            f"{len(found.differences)} of {found.streams} streams differ from {remote}; "
            + (f"{missing:,} records are missing there" if missing else "nothing is missing there"),
            hint=f"tasuki sync --to {remote}" if missing else None,
        )
    say(f"verified: {found.records:,} records of {found.streams} streams, all of them on {remote}")


@app.command("test", cls=Examples, epilog="tasuki remote test http://127.0.0.1:7700")
def probe(url: Annotated[str, typer.Argument(metavar="URL", help="The server's address.")], as_json: AsJson = False) -> None:
    """Say whether a server can be reached, and what is wrong if not.

    Exits with 5 if records could not be sent to it.
    """
    from tasuki.relay.probe import Verdict, remote_test

    found = remote_test(url, token=settings_for(None).token)
    data = found._asdict() | {"url": url}
    row = [url, found.verdict, found.said, found.version, found.seconds]
    write("remote-test/1", data, Table(["url", "verdict", "found", "version", "seconds"], [row], ["found"]), as_json=as_json)
    if found.verdict is not Verdict.OK:
        raise RemoteUnavailable(f"records can't be sent to {url}: {found.said}", hint=found.hint)


def chosen_remote(settings: "Settings", given: str | None) -> str:
    """The server that is meant."""
    remote = given or settings.remote
    if remote is None:
        raise ConfigError("no server is named", hint="tasuki sync --to http://127.0.0.1:7700, or export TASUKI_REMOTE")
    return remote
