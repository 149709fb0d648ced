"""Shared options, help with examples first, and opening of queries."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand

from tasuki.cli.shared.completers import complete_metric, complete_project, complete_run
from tasuki.cli.shared.messages import print_message
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
    "Project",
    "ProjectFilter",
    "QueryTarget",
    "Remote",
    "RunArgument",
    "RunsArgument",
    "confirm",
    "load_command_settings",
    "open_jobs_target",
    "open_local_store",
    "open_query_target",
    "parse_names",
    "require_remote",
    "warn_about_missing_records",
]

Dir = Annotated[str | None, typer.Option("--dir", metavar="DIR", help="The data folder (default: TASUKI_DIR).")]
ProjectFilter = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Send or verify only this project.")]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="NAME",
        help="The project (default: TASUKI_PROJECT, else the only one).",
        autocompletion=complete_project,
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's id, a unique prefix, or a unique name.", autocompletion=complete_run),
]
RunsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN...", help="Run ids, unique prefixes, or unique names.", autocompletion=complete_run),
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="NAME,...", help="Use only these metrics.", autocompletion=complete_metric),
]
Remote = Annotated[str | None, typer.Option("--remote", metavar="NAME|URL", help="Query this server instead of the data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, with its schema's name and version.")]


class ExamplesCommand(TyperCommand):
    """A command whose epilog holds examples, one per line, shown at the start of its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, then the usual help."""
        with formatter.section("Examples"):
            for line in (self.epilog or "").splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write nothing: the epilog came first."""


class QueryTarget(NamedTuple):
    """The queries that a command uses, and its project."""

    query: "QueryAndEdit"
    project: str


def parse_names(names: str | None) -> list[str] | None:
    """Names that were given with commas between them; None if none were given."""
    found = [name.strip() for name in (names or "").split(",") if name.strip()]
    return list(dict.fromkeys(found)) or None


def load_command_settings(dir: str | None, remote: str | None = None) -> "Settings":
    """Load the settings for a command."""
    from tasuki.settings import load

    return load(dir=dir, remote=remote)


@contextmanager
def open_query_target(dir: str | None, project: str | None, remote: str | None = None) -> Iterator[QueryTarget]:
    """Open the queries and resolve the project, for the block. Warn if an answer was incomplete."""
    from tasuki.sdk.query.api import Api

    with Api(remote, dir=dir) as api:
        try:
            yield QueryTarget(api.query, api.resolve_project(project))
        finally:  # what was not found may be missing
            warn_about_missing_records(api.query.missing)


@contextmanager
def open_local_store(dir: str | None) -> "Iterator[LocalStore]":
    """The data folder's own store, open for the block."""
    from tasuki.store import open_folder_store

    with open_folder_store(load_command_settings(dir)) as store:
        yield store


@contextmanager
def open_jobs_target(dir: str | None, remote: str | None) -> "Iterator[FolderJobs | RemoteJobs]":
    """Open the jobs of a folder or server, for the block."""
    from tasuki.sdk.jobs import open_jobs

    with open_jobs(remote, load_command_settings(dir)) as asked:
        yield asked


def warn_about_missing_records(records: int) -> None:
    """Say that an answer is behind what was recorded."""
    if records:
        print_message(f"note: {records:,} records are not in this answer yet; ask again in a moment")


def confirm(kind: str, names: list[str], hint: str) -> None:
    """Ask for confirmation. Raise ConfigError if nobody can be asked, Abort for a no."""
    what = ", ".join(names)
    if not sys.stdin.isatty():
        raise ConfigError(f"nobody can be asked whether {what} may go", hint=hint)
    print_message(f"{len(names)} {kind}: {what}")
    typer.confirm("delete for good?", abort=True, err=True)


def require_remote(settings: "Settings") -> str:
    """The server that is meant."""
    if settings.remote is None:
        raise ConfigError("no server is named", hint="tasuki sync --to http://127.0.0.1:7700, or export TASUKI_REMOTE")
    return settings.remote
