"""trackio's inbox: `inbox/<writer>/<number>.jsonl`, a line per row, written where SQLite is unsafe.

A file never changes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tasuki.importers.trackio.row_mapping import map_project_name

__all__ = ["INBOX", "InboxFile", "InboxLine", "iter_inbox_files", "read_lines"]

INBOX = "inbox"
TABLE_BY_KIND = {"metric": "metrics", "system_metric": "system_metrics", "alert": "alerts", "run_status": "run_status"}
decode = msgspec.json.Decoder(dict[str, Any]).decode


class InboxFile(NamedTuple):
    """A file of the inbox: its name there and its size."""

    path: Path
    name: str
    size: int


class InboxLine(NamedTuple):
    """One row, with its table and the id that identifies it."""

    project: str
    table: str
    run: str
    name: str
    id: str | None
    columns: Mapping[str, Any]


def iter_inbox_files(folder: Path) -> Iterator[InboxFile]:
    """Yield the files of the inbox, by name."""
    inbox = folder / INBOX
    for path in sorted(inbox.rglob("*.jsonl")):
        try:
            yield InboxFile(path, path.relative_to(inbox).as_posix(), path.stat().st_size)
        except FileNotFoundError:  # trackio removes what it has moved into a database
            continue


def read_lines(inbox_file: InboxFile) -> list[InboxLine]:
    """Return the rows of a file, without an incomplete last line. Raise OSError if it cannot be read."""
    whole, _, _ = inbox_file.path.read_bytes().rpartition(b"\n")
    return [line for text in whole.split(b"\n") if (line := parse_line(text)) is not None]


def parse_line(text: bytes) -> InboxLine | None:
    """Parse a row; None if invalid."""
    try:
        said = decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    table = TABLE_BY_KIND.get(str(said.get("kind")))
    project, name = said.get("project"), said.get("run")
    if table is None or not project or not name:
        return None
    id = said.get("alert_id") if table == "alerts" else said.get("log_id")
    return InboxLine(map_project_name(str(project)), table, str(said.get("run_id") or name), str(name), id and str(id), said)
