"""Data on stdout: a table on a terminal, TSV in a pipe, one JSON object for `--json`."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from tasuki.cli.text import cut, exact, for_people, plain
from tasuki.clock import SYSTEM, datetime_from_us

if TYPE_CHECKING:
    import rich.table

__all__ = ["Table", "draw", "on_terminal", "rich_table", "write", "write_json", "write_tsv"]

STYLES = {
    **dict.fromkeys(("finished", "ok"), "green"),
    **dict.fromkeys(("running", "info"), "cyan"),
    **dict.fromkeys(("degraded", "warn"), "yellow"),
    **dict.fromkeys(("failed", "crashed", "broken", "error"), "red"),
}
"""The colours of words that say how something is."""


class Table(NamedTuple):
    """Columns and rows. A value's type says how it is shown: str, int, float, bool, datetime, timedelta, list, dict, None."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str | None = None


def write(schema: str, data: dict[str, Any], table: Table, *, as_json: bool) -> None:
    """One table, in the form that stdout and `--json` ask for."""
    if as_json:
        write_json(schema, data)
    elif on_terminal():
        draw(table)
    else:
        write_tsv(table)


def on_terminal() -> bool:
    """Whether a person sees stdout."""
    return sys.stdout.isatty()


def write_json(schema: str, data: dict[str, Any]) -> None:
    """One JSON object: its schema's name and version, then the data."""
    unicode_safe = "utf" in (sys.stdout.encoding or "").lower()
    document = {"schema": f"tasuki/{schema}"} | plain(data)
    sys.stdout.write(json.dumps(document, ensure_ascii=not unicode_safe, allow_nan=False) + "\n")


def write_tsv(table: Table) -> None:
    """A header line, then a line per row."""
    for row in (table.columns, *table.rows):
        sys.stdout.write("\t".join(map(exact, row)) + "\n")


def draw(*tables: Table) -> None:
    """Tables for a person."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    for table in tables:
        console.print(rich_table(table, datetime_from_us(SYSTEM.now_us())))


def rich_table(table: Table, now: datetime) -> "rich.table.Table":
    """A table as rich draws it: numbers to the right, one line per row."""
    import rich.box
    import rich.table
    from rich.text import Text

    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, title=table.title, title_justify="left", pad_edge=False)
    for place, column in enumerate(table.columns):
        numeric = any(isinstance(row[place], (int, float)) for row in table.rows)
        drawn.add_column(Text(cut(column)), justify="right" if numeric else "left", overflow="ellipsis", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*(Text(for_people(value, now), style=style_of(value)) for value in row))
    return drawn


def style_of(value: object) -> str:
    """The colour of a state or a level; none for anything else."""
    return STYLES.get(value.value, "") if isinstance(value, StrEnum) else ""
