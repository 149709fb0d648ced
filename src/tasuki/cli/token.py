"""`tasuki token`: who may do what with the server of a data folder."""

from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, load_command_settings
from tasuki.cli.shared.output import Table, write_result
from tasuki.clock import SYSTEM_CLOCK, datetime_from_us
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.server.auth.principal import Scope
    from tasuki.server.auth.tokens import Tokens

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Manage tokens of this folder's server.")
OfProject = Annotated[str | None, typer.Argument(metavar="[PROJECT]", help="Restrict the token to this project (default: all).")]
MICROSECONDS_PER_DAY = 86_400_000_000


@app.command(
    cls=ExamplesCommand,
    epilog="tasuki token create --log vision --name cluster\ntasuki token create --read\ntasuki token create --write vision",
)
def create(  # noqa: PLR0913 - one option per scope
    project: OfProject = None,
    read: Annotated[bool, typer.Option("--read", help="Permit queries.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Permit creating runs and adding to them; no queries.")] = False,
    write_: Annotated[bool, typer.Option("--write", help="Permit queries, adding to any run, editing, and deleting.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="Permit everything.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Owner name. Tokens with the same name may continue each other's runs.")
    ] = None,
    expires: Annotated[
        int | None, typer.Option("--expires", metavar="DAYS", help="Expire after this many days (default: never).", min=1)
    ] = None,
    dir: Dir = None,
) -> None:
    """Create a token and print it. It is shown only once: the server keeps its hash.

    From the first token on, everything that the server answers needs one.
    """
    from tasuki.journal import normalize_project_name
    from tasuki.server.auth.principal import Scope

    given = {Scope.READ: read, Scope.LOG: log, Scope.WRITE: write_, Scope.ADMIN: admin}
    chosen = [scope for scope, wanted in given.items() if wanted]
    scope = require_one_scope(chosen, project)
    with open_tokens(dir) as tokens:
        until = None if expires is None else SYSTEM_CLOCK.now_us() + expires * MICROSECONDS_PER_DAY
        text = tokens.create(scope, None if project is None else normalize_project_name(project), name=name, expires=until)
    typer.echo(text)
    print_message(
        "keep it now: it is not shown again. Where runs are made: export TASUKI_TOKEN, or tasuki remote add NAME URL --token -"
    )


def require_one_scope(scopes: "list[Scope]", project: str | None) -> "Scope":
    """The scope that is meant. ConfigError for none, several, or one without the project that it needs."""
    if len(scopes) != 1:
        raise ConfigError("what is the token for?", hint="one of --log PROJECT, --write [PROJECT], --read [PROJECT], --admin")
    if scopes[0] == "log" and project is None:
        raise ConfigError("a log token is for one project", hint="tasuki token create --log vision")
    if scopes[0] == "admin" and project is not None:
        raise ConfigError("an admin token is for all projects", hint=f"tasuki token create --write {project}")
    return scopes[0]


@app.command("list", cls=ExamplesCommand, epilog="tasuki token list")
def list_command(as_json: AsJson = False, dir: Dir = None) -> None:
    """List all tokens, invalid ones included; never their secrets."""
    with open_tokens(dir) as tokens:
        found = tokens.list_tokens()
    columns = ["id", "name", "scope", "project", "created", "expires", "used", "revoked"]
    table = Table(columns, [[*row[:4], *(format_timestamp(time) for time in row[4:])] for row in found], ["name", "project"])
    write_result("token-list/1", {"tokens": [row._asdict() for row in found]}, table, as_json=as_json)


@app.command(cls=ExamplesCommand, epilog="tasuki token revoke 3f2a9c0d1e4b")
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, from `tasuki token list`.")], dir: Dir = None
) -> None:
    """Revoke a token, within a second. The server stays closed, even without any valid token."""
    with open_tokens(dir) as tokens:
        tokens.revoke(id)
    print_message(f"revoked: {id}")


def open_tokens(dir: str | None) -> "Tokens":
    """The tokens of a data folder."""
    from tasuki.server.auth.tokens import open_tokens as open_in
    from tasuki.store import locate_database_folder

    return open_in(locate_database_folder(load_command_settings(dir).dir))


def format_timestamp(time: int | None) -> str:
    """A time as it is shown; nothing where there is none."""
    return "" if time is None else f"{datetime_from_us(time):%Y-%m-%d %H:%M}"
