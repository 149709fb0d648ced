"""Data on stdout: a table on a terminal, TSV in a pipe, one JSON object for `--json`."""

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from tasuki.cli.shared.formatting import format_cell, format_tsv_cell, replace_control_characters, to_json_data, truncate
from tasuki.cli.shared.messages import print_message
from tasuki.clock import SYSTEM_CLOCK, datetime_from_us

if TYPE_CHECKING:
    from collections.abc import Callable


if TYPE_CHECKING:
    import rich.console
    import rich.table

__all__ = [
    "Table",
    "build_rich_table",
    "is_terminal",
    "print_tables",
    "progress_bar",
    "write_json",
    "write_result",
    "write_text",
    "write_tsv",
]

STATE_STYLES = {
    **dict.fromkeys(("finished", "completed", "ok"), "green"),
    **dict.fromkeys(("running", "info"), "cyan"),
    **dict.fromkeys(("degraded", "warn"), "yellow"),
    **dict.fromkeys(("failed", "crashed", "broken", "error"), "red"),
}
"""The colors of words that say how something is."""
MIN_COLUMN_WIDTH = 12
"""What a column of a table is not made narrower than, where it does not fit."""
COLUMN_GAP = 3
"""Between two columns."""


class Table(NamedTuple):
    """Columns and rows.

    Types of values decide their format: str, int, float, bool, datetime, timedelta, list, dict, None.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    untruncated_columns: Collection[str] = ()
    """Columns that a terminal gets in full, on several lines if need be."""


def write_result(schema: str, data: dict[str, Any], table: Table, *, as_json: bool) -> None:
    """One table, in the form that stdout and `--json` ask for."""
    if as_json:
        write_json(schema, data)
    elif is_terminal():
        print_tables(table)
    else:
        write_tsv(table)


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout.isatty()


def write_json(schema: str, data: dict[str, Any]) -> None:
    """One JSON object: its schema's name and version, then the data."""
    unicode_safe = "utf" in (sys.stdout.encoding or "").lower()
    document = {"schema": f"tasuki/{schema}"} | to_json_data(data)
    sys.stdout.write(json.dumps(document, ensure_ascii=not unicode_safe, allow_nan=False) + "\n")


def write_tsv(table: Table) -> None:
    """A header line, then a line per row."""
    for row in (table.columns, *table.rows):
        sys.stdout.write("\t".join(map(format_tsv_cell, row)) + "\n")


def write_text(text: str) -> None:
    """Text as it was recorded; a terminal gets it without what could steer it."""
    sys.stdout.write("\n".join(map(replace_control_characters, text.split("\n"))) if is_terminal() else text)


def print_tables(*tables: Table) -> None:
    """Print tables for people. Leave out columns that do not fit, and say so."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    now = datetime_from_us(SYSTEM_CLOCK.now_us())
    for place, table in enumerate(tables):
        if place:
            console.print()
        shown = build_rich_table(table, now, console.width)
        console.print(shown)
        if missing := table.columns[len(shown.columns) :]:
            print_message(
                f"note: no room for {len(missing)} more columns ({truncate(', '.join(missing))}); a wider window or a pipe gets all"
            )


def build_rich_table(table: Table, now: datetime, width: int | None = None) -> "rich.table.Table":
    """Build rich's table.

    Numbers right-aligned, one line per row except untruncated columns, within a width.
    """
    import rich.box
    import rich.table
    from rich.cells import cell_len
    from rich.text import Text

    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    heads = [truncate(column) for column in table.columns]
    whole = [column in table.untruncated_columns for column in table.columns]
    rows = [[format_cell(value, now, untruncated=in_full) for value, in_full in zip(row, whole, strict=True)] for row in table.rows]
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    least = [size if name == "id" else min(size, MIN_COLUMN_WIDTH) for name, size in zip(table.columns, widths, strict=True)]
    fitted = widths if width is None else fit_widths(widths, least, width)
    for place, head in enumerate(heads[: len(fitted)]):
        values = [row[place] for row in table.rows if row[place] is not None]
        numeric = bool(values) and all(isinstance(value, (int, float)) for value in values)
        overflow: rich.console.OverflowMethod = "fold" if whole[place] else "ellipsis"
        justify: rich.console.JustifyMethod = "right" if numeric else "left"
        drawn.add_column(Text(head), justify=justify, overflow=overflow, no_wrap=not whole[place], width=fitted[place])
    for cells, row in zip(rows, table.rows, strict=True):
        drawn.add_row(*(Text(cell, style=get_style(value)) for cell, value in zip(cells[: len(fitted)], row, strict=False)))
    return drawn


def fit_widths(widths: Sequence[int], minimums: Sequence[int], width: int) -> list[int]:
    """Return the widths of as many first columns as fit at their minimum widths."""
    ends = accumulate(size + COLUMN_GAP for size in minimums)
    shown = max(1, sum(1 for end in ends if end - COLUMN_GAP <= width))
    fitted = [min(size, width) for size in widths[:shown]]
    while sum(fitted) + COLUMN_GAP * (shown - 1) > width:
        widest = max(range(shown), key=lambda place: fitted[place] - minimums[place])
        fitted[widest] -= 1
    return fitted


def get_style(value: object) -> str:
    """The color of a state or a level; none for anything else."""
    return STATE_STYLES.get(value.value, "") if isinstance(value, StrEnum) else ""


@contextmanager
def progress_bar(title: str) -> "Iterator[Callable[[int], None]]":
    """Progress for a person at the terminal: told how many records are done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    shown = Progress(
        SpinnerColumn(), TextColumn("{task.description}: {task.completed:,} records"), console=Console(stderr=True), transient=True
    )
    with shown:
        task = shown.add_task(title, total=None)
        yield lambda records: shown.update(task, completed=records)
