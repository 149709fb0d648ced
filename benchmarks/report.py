"""`RESULTS.md` and what the terminal shows: made of one run, wholly, so that it is always true."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from benchmarks.rows import Question, Row

__all__ = ["Answer", "missed", "page", "table"]

COLUMNS = ("figure", "median", "unit", "lowest – highest run", "bar", "", "note")


class Answer(NamedTuple):
    """What a question was answered with, and how busy the machine was meanwhile with something else."""

    question: Question
    rows: list[Row]
    elsewhere: float


def missed(answers: Iterable[Answer]) -> list[str]:
    """A line per bar that was not passed."""
    return [
        f"{row.name}: {row.figure} {row.unit} ({row.bar})".replace("  ", " ")
        for answer in answers
        for row in answer.rows
        if row.ok is False
    ]


def page(facts: Mapping[str, str], answers: Sequence[Answer], *, command: str, began: datetime, ended: datetime) -> str:
    """The whole of `RESULTS.md`."""
    minutes = (ended - began).total_seconds() / 60
    when = f"{began:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes"
    bars = missed(answers)
    lines = [
        "# Results",
        "",
        f"Written by `{command}`, as a whole. A figure is the median of its runs; ✓ passes its bar, ✗ misses it.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in {**facts, "measured": when}.items()),
        "",
        "Bars missed: " + ("; ".join(bars) if bars else "none") + ".",
    ]
    for answer in answers:
        lines += ["", f"## {answer.question.title}", "", *method(answer), "", *table(answer.rows)]
    return "\n".join(lines) + "\n"


def method(answer: Answer) -> list[str]:
    """How it was measured: the question's docstring without its first line."""
    text = answer.question.method.partition("\n")[2].strip()
    return [text, "", f"Meanwhile {answer.elsewhere:.0%} of the cores' time went to other work on the machine."]


def table(rows: Iterable[Row]) -> list[str]:
    """A Markdown table that reads well as text too."""
    cells = [COLUMNS, *(cells_of(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def cells_of(row: Row) -> tuple[str, ...]:
    """A row's cells."""
    mark = {None: "", True: "✓", False: "✗"}[row.ok]
    return row.name, row.figure, row.unit, row.spread, "" if row.bar is None else str(row.bar), mark, row.note
