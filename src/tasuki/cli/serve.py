"""`tasuki serve`, `sync` and `remote`: a server, and what a folder has to do with one."""

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.doctor.doctor import progress_bar, verify_store
from tasuki.cli.shared.messages import say
from tasuki.cli.shared.options import AsJson, Dir, Examples, Remote, settings_for
from tasuki.cli.shared.output import Table, write
from tasuki.errors import ConfigError, Conflict, IntegrityGap, RemoteRejected, RemoteUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasuki.client.verify_remote import Proven
    from tasuki.remotes import Remotes
    from tasuki.settings import Settings

__all__ = ["SYNC_EXAMPLES", "VERIFY_EXAMPLES", "app", "serve", "sync", "verify"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Servers that records are sent to.")
To = Annotated[str | None, typer.Option("--to", metavar="NAME|URL", help="The server, else TASUKI_REMOTE.")]
OnlyProject = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")]
DEFAULT_PORT = 7700
SYNC_EXAMPLES = """\
tasuki sync --to http://127.0.0.1:7700
tasuki sync --project digits
tasuki sync retry --set-aside"""
VERIFY_EXAMPLES = """\
tasuki verify
tasuki verify --remote http://127.0.0.1:7700
tasuki verify --remote http://127.0.0.1:7700 --receipt receipt.json"""


def serve(
    dir: Dir = None,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on; one that other machines reach needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 takes any free one.", min=0, max=65535)] = DEFAULT_PORT,
    demo_jobs: Annotated[bool, typer.Option("--demo-jobs", help="With a Replicate of its own, for trying jobs out.")] = False,
) -> None:
    """Serve a data folder: the page, the HTTP API, and a place for runs elsewhere to send their records to.

    Until Ctrl-C. Without tokens for this machine alone; with `--host 0.0.0.0` for others, once there are tokens. What was received
    is on the disk before it is acknowledged.
    """
    from tasuki.demo.jobs import with_demo_jobs
    from tasuki.server.serve import serve as serve_folder

    settings = settings_for(dir)
    with with_demo_jobs(settings) if demo_jobs else nullcontext(settings) as chosen:
        serve_folder(chosen, host, port)


def sync(
    action: Annotated[str | None, typer.Argument(metavar="[retry]", help="With --set-aside.", show_default=False)] = None,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="Try again what the server did not take before.")] = False,
    to: To = None,
    project: OnlyProject = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Send everything that a server does not have yet, once; `retry --set-aside`: what it did not take before, too.

    Sends even where the sending of itself is switched off. Exits with 5 if the server can't be reached, or does not take something;
    what was sent by then stays sent.
    """
    if (action is None) == set_aside or action not in (None, "retry"):
        raise ConfigError(f"tasuki sync {action or ''} is not clear", hint="tasuki sync, or tasuki sync retry --set-aside")
    from tasuki.journal import Folder, FolderSource
    from tasuki.relay import HttpTransport, open_kept
    from tasuki.relay import sync as send_all

    settings = settings_for(dir, to)
    remote = chosen_remote(settings)
    source = FolderSource(Folder(settings.journal_root, settings.lock_root))
    transport, kept = HttpTransport(remote, token=settings.key(remote)), open_kept(settings.dir, remote)
    with progress_bar("sending") as progress:
        done = send_all(source, transport, kept, project=project, retry_aside=set_aside, progress=progress)
    source.close()
    data = {"remote": remote, "streams": done.streams, "sent": done.sent, "pending": done.pending, "set_aside": done.aside}
    table = Table(
        ["remote", "streams", "sent", "pending", "set aside"], [[remote, done.streams, done.sent, done.pending, len(done.aside)]]
    )
    write("sync/1", data, table, as_json=as_json)
    if done.aside:
        writer, reason = next(iter(done.aside.items()))
        raise RemoteRejected(f"{remote} refused {len(done.aside)} streams, the first of them {writer}: {reason}")


def verify(
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
    project: OnlyProject = None,
    receipt: Annotated[str | None, typer.Option("--receipt", metavar="FILE", help="With --remote: where to write it.")] = None,
) -> None:
    """Check every journal, and the store, or a server, against all of them.

    Every checksum is computed anew. The store is compared with a fresh one; with --remote, a server's streams with ours, by length
    and sha256. Exits with 6 if anything is wrong; if not, the receipt lists each run's streams with length and sha256, signed with
    the key for the server (HMAC-SHA256).
    """
    if remote is not None:
        verify_remote(remote, project, dir, receipt, as_json=as_json)
    elif receipt is not None:
        raise ConfigError("a receipt is a server's", hint="tasuki verify --remote URL --receipt FILE")
    else:
        verify_store(dir, as_json=as_json)


def verify_remote(named: str, project: str | None, dir: str | None, receipt: str | None, *, as_json: bool) -> None:
    """Compare a folder with a server, stream by stream. IntegrityGap if they differ."""
    from tasuki.client.peer import Peer
    from tasuki.client.verify_remote import compare
    from tasuki.journal import Folder
    from tasuki.relay import open_kept

    settings = settings_for(dir, named)
    remote = chosen_remote(settings)
    key = settings.key(remote)
    if receipt is not None and not key():
        raise ConfigError("a receipt is signed with the key for the server, and there is none", hint="export TASUKI_TOKEN")
    folder = Folder(settings.journal_root, settings.lock_root)
    with Peer(remote, key) as peer:
        found = compare(folder, peer, open_kept(settings.dir, remote), project=project)
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
    if receipt is not None:
        write_receipt(receipt, remote, found.proven, key() or "")
    if not found.streams:
        say(f"nothing is recorded in {settings.dir}: nothing was verified; another folder is --dir DIR")
        return
    say(f"verified: {found.records:,} records of {found.streams} streams, all of them on {remote}")


def write_receipt(path: str, remote: str, proven: "Sequence[Proven]", key: str) -> None:
    """Write the proof. ConfigError where no file can be."""
    import json
    from pathlib import Path

    from tasuki.client.receipt import receipt

    try:
        Path(path).write_text(json.dumps(receipt(remote, proven, key), indent=2) + "\n")
    except OSError as error:
        raise ConfigError(f"the receipt {path} can't be written: {error.strerror}") from error


@app.command(cls=Examples, epilog="tasuki remote add team https://tasuki.example --token -")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Its address.")],
    token: Annotated[
        str | None, typer.Option("--token", metavar="-", help="`-`: read the token for it from the terminal, or from a pipe.")
    ] = None,
    dir: Dir = None,
) -> None:
    """Give a server a name, and keep the token for it, in the data folder's file `credentials`, which only you can read."""
    from tasuki.relay import remote_url
    from tasuki.remotes import Remote as Named

    if token not in (None, "-"):
        raise ConfigError("a token on the command line is seen by others", hint=f"tasuki remote add {name} {url} --token -")
    host = remote_url(url).hostname
    remotes = remotes_of(dir)
    known = next((remote for remote in remotes.all() if remote.name == name), None)
    if known is not None and known.url != url:
        raise Conflict(f"{name} is {known.url}", hint=f"tasuki remote remove {name}")
    given = read_token() if token is not None else known and known.token
    remotes.add(Named(name, url, given))
    if given and url.startswith("http://") and host not in {"localhost", "127.0.0.1", "::1"}:
        say(f"note: without TLS whoever is on the way to {host} can read the token; docs/server.md says how to add it")
    say(f"{name} is {url}" + (", with a token" if given else ""))


def read_token() -> str:
    """A token, not shown while it is typed."""
    text = (typer.prompt("token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not text or len(text.split()) != 1:
        raise ConfigError("no token came", hint="tasuki remote add NAME URL --token - < file")
    return text


@app.command("list", cls=Examples, epilog="tasuki remote list")
def list_all(as_json: AsJson = False, dir: Dir = None) -> None:
    """List the servers that have a name, and whether there is a token for each."""
    found = [[remote.name, remote.url, bool(remote.token)] for remote in remotes_of(dir).all()]
    columns = ["name", "url", "token"]
    data = {"remotes": [dict(zip(columns, row, strict=True)) for row in found]}
    write("remote-list/1", data, Table(columns, found, ["url"]), as_json=as_json)


@app.command(cls=Examples, epilog="tasuki remote remove team")
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")], dir: Dir = None) -> None:
    """Forget a server's name and token. What was recorded for it stays, and can still be sent there."""
    remotes_of(dir).remove(name)
    say(f"removed: {name}")


def remotes_of(dir: str | None) -> "Remotes":
    """The data folder's."""
    from tasuki.remotes import Remotes

    return Remotes(settings_for(dir).dir)


@app.command("test", cls=Examples, epilog="tasuki remote test http://127.0.0.1:7700\ntasuki remote test team")
def probe(
    named: Annotated[str, typer.Argument(metavar="NAME|URL", help="The server.")], as_json: AsJson = False, dir: Dir = None
) -> None:
    """Say whether a server can be reached, and what is wrong if not.

    Exits with 5 if records could not be sent to it.
    """
    from tasuki.client.probe import Verdict, remote_test

    settings = settings_for(dir, named)
    url = chosen_remote(settings)
    found = remote_test(url, token=settings.key(url)())
    data = found._asdict() | {"url": url}
    row = [url, found.verdict, found.said, found.version, found.seconds]
    write("remote-test/1", data, Table(["url", "verdict", "found", "version", "seconds"], [row], ["found"]), as_json=as_json)
    if found.verdict is not Verdict.OK:
        raise RemoteUnavailable(f"records can't be sent to {url}: {found.said}", hint=found.hint)


def chosen_remote(settings: "Settings") -> str:
    """The server that is meant."""
    if settings.remote is None:
        raise ConfigError("no server is named", hint="tasuki sync --to http://127.0.0.1:7700, or export TASUKI_REMOTE")
    return settings.remote
