"""The command group `tasuki note`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, Project, Remote, open_query_target
from tasuki.cli.shared.output import Table, write_result
from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.cli.shared.options import QueryTarget
    from tasuki.records import NoteRow

__all__ = ["app", "list_notes"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and search corrections, lessons and events.")
KindOption = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="List only this kind: correction, lesson, event, meta_rule or manifest."),
]
COLUMNS = ["time", "kind", "run", "session", "category", "note", "conflict"]


@app.command("list", cls=ExamplesCommand, epilog="tasuki note list\ntasuki note list --kind lesson --json")
def list_command(
    project: Project = None, kind: KindOption = None, as_json: AsJson = False, dir: Dir = None, remote: Remote = None
) -> None:
    """List the notes of a project (or brain), oldest first.

    A note whose id an earlier one has, and which says something else, is marked as a conflict: the earlier one stands.
    """
    with open_query_target(dir, project, remote) as asked:
        list_notes(asked, kind=kind, search=None, as_json=as_json)


@app.command("search", cls=ExamplesCommand, epilog="tasuki note search 'learning rate'\ntasuki note search tone --kind correction")
def search_command(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text that the note contains, ignoring case.")],
    project: Project = None,
    kind: KindOption = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Find notes that contain a text: in drafts, finals, lessons, names, data."""
    with open_query_target(dir, project, remote) as asked:
        list_notes(asked, kind=kind, search=text, as_json=as_json)


def list_notes(target: "QueryTarget", *, kind: str | None, search: str | None, as_json: bool) -> None:
    """Print the selected notes."""
    from tasuki.records import NoteKind

    if kind is not None and kind not in set(NoteKind):
        raise ConfigError(f"there is no kind of note {kind!r}", hint=f"one of {', '.join(NoteKind)}")
    notes = target.query.notes(target.project, None if kind is None else NoteKind(kind), search=search)
    table = Table(COLUMNS, [build_row(note) for note in notes], ["note"])
    write_result(
        "note-list/1", {"project": target.project, "notes": [note_to_dict(note) for note in notes]}, table, as_json=as_json
    )


def build_row(note: "NoteRow") -> list[Any]:
    """Build a note's row."""
    conflict = True if note.conflict else None
    return [
        datetime_from_us(note.time),
        note.kind.value,
        note.run or None,
        note.session,
        note.category,
        format_note(note),
        conflict,
    ]


def format_note(note: "NoteRow") -> str:
    """Format a note in one line; of a correction, draft and final."""
    change = [str(note.content.get(part, "")) for part in ("draft", "final")]
    return " · ".join(filter(None, [note.text, " → ".join(change) if any(change) else ""]))


def note_to_dict(note: "NoteRow") -> dict[str, Any]:
    """Return a note for JSON."""
    return {
        "event_id": note.event_id,
        "kind": note.kind,
        "run": note.run or None,
        "time": datetime_from_us(note.time),
        "session": note.session,
        "category": note.category,
        "text": note.text,
        "content": note.content,
        "conflict": note.conflict,
    }
