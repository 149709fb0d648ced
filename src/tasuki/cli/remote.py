"""The command group `tasuki remote`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, load_command_settings
from tasuki.cli.shared.output import Table, write_result
from tasuki.errors import ConfigError, Conflict, RemoteUnavailable

if TYPE_CHECKING:
    from tasuki.remotes import RemotesFile
from tasuki.cli.shared.options import require_remote

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Servers that records are sent to.")


@app.command(cls=ExamplesCommand, epilog="tasuki remote add team https://tasuki.example --token -")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the server.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the server.")],
    token: Annotated[
        str | None, typer.Option("--token", metavar="-", help="`-`: read the token from the terminal or a pipe.")
    ] = None,
    dir: Dir = None,
) -> None:
    """Name a server, and store its token in the data folder's `credentials`, which only you can read."""
    from tasuki.relay import parse_remote_url
    from tasuki.remotes import Remote as Named

    if token not in (None, "-"):
        raise ConfigError("a token on the command line is seen by others", hint=f"tasuki remote add {name} {url} --token -")
    host = parse_remote_url(url).hostname
    remotes = open_remotes_file(dir)
    known = next((remote for remote in remotes.all() if remote.name == name), None)
    if known is not None and known.url != url:
        raise Conflict(f"{name} is {known.url}", hint=f"tasuki remote remove {name}")
    given = read_token() if token is not None else known and known.token
    remotes.add(Named(name, url, given))
    if given and url.startswith("http://") and host not in {"localhost", "127.0.0.1", "::1"}:
        print_message(f"note: without TLS whoever is on the way to {host} can read the token; docs/server.md says how to add it")
    print_message(f"{name} is {url}" + (", with a token" if given else ""))


def read_token() -> str:
    """Read a token without echo."""
    text = (typer.prompt("token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not text or len(text.split()) != 1:
        raise ConfigError("no token came", hint="tasuki remote add NAME URL --token - < file")
    return text


@app.command("list", cls=ExamplesCommand, epilog="tasuki remote list")
def list_command(as_json: AsJson = False, dir: Dir = None) -> None:
    """List the named servers, and whether each has a token."""
    found = [[remote.name, remote.url, bool(remote.token)] for remote in open_remotes_file(dir).all()]
    columns = ["name", "url", "token"]
    data = {"remotes": [dict(zip(columns, row, strict=True)) for row in found]}
    write_result("remote-list/1", data, Table(columns, found, ["url"]), as_json=as_json)


@app.command(cls=ExamplesCommand, epilog="tasuki remote remove team")
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the server.")], dir: Dir = None) -> None:
    """Remove a server's name and token. Its records stay, and can still be sent there."""
    open_remotes_file(dir).remove(name)
    print_message(f"removed: {name}")


def open_remotes_file(dir: str | None) -> "RemotesFile":
    """Open the data folder's remotes."""
    from tasuki.remotes import RemotesFile

    return RemotesFile(load_command_settings(dir).dir)


@app.command("test", cls=ExamplesCommand, epilog="tasuki remote test http://127.0.0.1:7700\ntasuki remote test team")
def check_command(
    name_or_url: Annotated[str, typer.Argument(metavar="NAME|URL", help="The server.")], as_json: AsJson = False, dir: Dir = None
) -> None:
    """Check whether a server can be reached, and explain what is wrong if not.

    Exits with 5 if records could not be sent to it.
    """
    from tasuki.client.probe import ProbeVerdict, probe_remote

    settings = load_command_settings(dir, name_or_url)
    url = require_remote(settings)
    found = probe_remote(url, token=settings.key(url)())
    data = found._asdict() | {"url": url}
    row = [url, found.verdict, found.said, found.version, found.seconds]
    write_result("remote-test/1", data, Table(["url", "verdict", "found", "version", "seconds"], [row], ["found"]), as_json=as_json)
    if found.verdict is not ProbeVerdict.OK:
        raise RemoteUnavailable(f"records can't be sent to {url}: {found.said}", hint=found.hint)
