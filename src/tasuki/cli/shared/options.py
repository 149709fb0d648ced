"""What commands have in common: options, examples before all other help, and the question they ask."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand

from tasuki.cli.shared.completers import complete_metric, complete_project, complete_run
from tasuki.cli.shared.messages import say
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.sdk.jobs import FolderJobs, RemoteJobs
    from tasuki.settings import Settings
    from tasuki.store import LocalStore, QueryAndEdit

__all__ = [
    "AsJson",
    "Dir",
    "ExamplesCommand",
    "Metrics",
    "OnlyProject",
    "Project",
    "QueryTarget",
    "Ref",
    "Remote",
    "Runs",
    "asking",
    "asking_jobs",
    "chosen_remote",
    "confirm",
    "local_store",
    "say_missing",
    "settings_for",
    "split",
]

Dir = Annotated[str | None, typer.Option("--dir", metavar="DIR", help="The data folder, else TASUKI_DIR.")]
OnlyProject = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="NAME",
        help="The project, else TASUKI_PROJECT, else the only one there is.",
        autocompletion=complete_project,
    ),
]
Ref = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id, a unique beginning of it, or a name no other has.", autocompletion=complete_run
    ),
]
Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN...", help="Ids, unique beginnings of them, or names no other has.", autocompletion=complete_run),
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="NAME,...", help="Only these metrics.", autocompletion=complete_metric),
]
Remote = Annotated[str | None, typer.Option("--remote", metavar="NAME|URL", help="Ask this server, not the data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, with its schema's name and version.")]


class ExamplesCommand(TyperCommand):
    """A command whose epilog holds examples, one a line, which its help begins with."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Examples, then what every command has."""
        with formatter.section("Examples"):
            for line in (self.epilog or "").splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """It came first."""


class QueryTarget(NamedTuple):
    """Whom a command asks, and about which project."""

    query: "QueryAndEdit"
    project: str


def split(names: str | None) -> list[str] | None:
    """Names that were given with commas between them; None if none were given."""
    found = [name.strip() for name in (names or "").split(",") if name.strip()]
    return list(dict.fromkeys(found)) or None


def settings_for(dir: str | None, remote: str | None = None) -> "Settings":
    """The settings in force for a command."""
    from tasuki.settings import load

    return load(dir=dir, remote=remote)


@contextmanager
def asking(dir: str | None, project: str | None, remote: str | None = None) -> Iterator[QueryTarget]:
    """Whom to ask, open for the block, and the project that is meant. Says so if the answer was not complete."""
    from tasuki.sdk.query.api import Api

    with Api(remote, dir=dir) as api:
        try:
            yield QueryTarget(api.query, api.chosen(project))
        finally:  # what was not found may be missing
            say_missing(api.query.missing)


@contextmanager
def local_store(dir: str | None) -> "Iterator[LocalStore]":
    """The data folder's own store, open for the block."""
    from tasuki.store import open_local

    with open_local(settings_for(dir)) as store:
        yield store


@contextmanager
def asking_jobs(dir: str | None, remote: str | None) -> "Iterator[FolderJobs | RemoteJobs]":
    """Whom to ask, open for the block."""
    from tasuki.sdk.jobs import open_jobs

    with open_jobs(remote, settings_for(dir)) as asked:
        yield asked


def say_missing(records: int) -> None:
    """Say that an answer is behind what was recorded."""
    if records:
        say(f"note: {records:,} records are not in this answer yet; ask again in a moment")


def confirm(kind: str, names: list[str], hint: str) -> None:
    """Ask the person at the terminal before something goes. ConfigError where nobody can be asked; Abort for a no."""
    what = ", ".join(names)
    if not sys.stdin.isatty():
        raise ConfigError(f"nobody can be asked whether {what} may go", hint=hint)
    say(f"{len(names)} {kind}: {what}")
    typer.confirm("delete for good?", abort=True, err=True)


def chosen_remote(settings: "Settings") -> str:
    """The server that is meant."""
    if settings.remote is None:
        raise ConfigError("no server is named", hint="tasuki sync --to http://127.0.0.1:7700, or export TASUKI_REMOTE")
    return settings.remote
