"""`tasuki run tag`, `edit` and `delete`: changes, each of which is a record of its run."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.run.tables import run_to_dict
from tasuki.cli.shared.options import AsJson, Dir, Project, QueryTarget, Remote, RunArgument, confirm, open_query_target
from tasuki.cli.shared.output import Table, write_result

if TYPE_CHECKING:
    from tasuki.records import RunEdit

__all__ = ["DELETE_EXAMPLES", "EDIT_EXAMPLES", "TAG_EXAMPLES", "delete", "edit", "tag"]

TAG_EXAMPLES = """\
tasuki run tag lr-0.1 base good
tasuki run tag lr-0.1 --remove base"""
EDIT_EXAMPLES = """\
tasuki run edit lr-0.1 --name lr-0.1-warmup
tasuki run edit lr-0.1 --notes 'diverges after the warm-up' --group sweep-3"""
DELETE_EXAMPLES = """\
tasuki run delete lr-0.1
tasuki run delete lr-0.1 lr-0.2 --yes
tasuki run delete lr-0.1 --dry-run"""


def tag(  # noqa: PLR0913 - which tags, of which run
    run: RunArgument,
    tags: Annotated[list[str] | None, typer.Argument(metavar="TAG...", help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="TAG", help="Remove this tag. May repeat.")] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Add tags to a run, or remove them."""
    from tasuki.records import RunEdit

    with open_query_target(dir, project, remote) as asked:
        apply_edit(asked, run, RunEdit(tags_added=tags or [], tags_removed=remove or []), as_json=as_json)


def edit(  # noqa: PLR0913 - one option per field
    run: RunArgument,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="New name of the run.")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="TEXT", help="New group of the run.")] = None,
    notes: Annotated[str | None, typer.Option("--notes", metavar="TEXT", help="Notes on the run; - reads stdin.")] = None,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Change a run's name, group or notes. Its id and its metrics stay."""
    from tasuki.records import RunEdit

    text = sys.stdin.read().rstrip("\n") if notes == "-" else notes
    with open_query_target(dir, project, remote) as asked:
        apply_edit(asked, run, RunEdit(name=name, group=group, notes=text), as_json=as_json)


def apply_edit(target: QueryTarget, ref: str, run_edit: "RunEdit", *, as_json: bool) -> None:
    """Change a run, and print it as it is then."""
    run = target.query.edit(target.project, ref, run_edit)
    columns = ["name", "id", "group", "tags", "notes"]
    row = [run.name, run.id, run.group, run.tags, run.notes]
    write_result("run-edit/1", {"run": run_to_dict(run)}, Table(columns, [row], ["tags", "notes"]), as_json=as_json)


def delete(  # noqa: PLR0913 - which, and how carefully
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, unique prefixes, or unique names.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be removed, and change nothing.")] = False,
    project: Project = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Delete runs from every answer, here and wherever their records are sent, for good.

    Asks first. The journals stay until `tasuki gc`, so that others hear of it; `tasuki purge` drops what a server holds.
    """
    with open_query_target(dir, project, remote) as asked:
        found = list({run.id: run for run in asked.query.runs_by_ref(asked.project, runs)}.values())
        if not dry_run:
            if not yes:
                names = [f"{run.name} ({run.id})" for run in found]
                confirm("runs", names, "--yes deletes without asking, --dry-run deletes nothing")
            for run in found:
                asked.query.delete(asked.project, run.id)
        rows = [[run.name, run.id, run.status, run.points] for run in found]
        data = {"dry_run": dry_run, "runs": [run_to_dict(run) for run in found]}
        write_result("run-delete/1", data, Table(["name", "id", "status", "points"], rows), as_json=as_json)
