"""`RESULTS.md` and what the terminal shows: made of one run, wholly, so that it is always true."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from benchmarks.rows import Question, Row

__all__ = ["Answer", "headlines", "missed", "page", "replaced", "table"]

HEADLINES = (
    "log() p50, ",
    "run.log() p50 by the floor's",
    "log() p99.9, with the relay on",
    "per step, ",
    "tasuki, 100,000 steps",
    "tasuki, one metric",
    "raw, ",
    "projection, ",
    "storing and projecting in bulk",
    "received by ",
    "calls lost, ",
)
"""What the README shows: the figures whose names begin so."""
BEGIN, END = "<!-- figures: written by the benchmarks -->", "<!-- end of figures -->"
PLOT = "benchmarks/plots/log.svg"
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


def page(
    facts: Mapping[str, str], answers: Mapping[str, Answer], plots: Sequence[str], *, command: str, began: datetime, ended: datetime
) -> str:
    """The whole of `RESULTS.md`."""
    minutes = (ended - began).total_seconds() / 60
    when = f"{began:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes"
    bars = missed(answers.values())
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
    for answer in answers.values():
        lines += ["", f"## {answer.question.title}", "", *method(answer), "", *table(answer.rows)]
    lines += [line for plot in plots for line in ("", f"![{plot.removesuffix('.svg')}](plots/{plot})")]
    return "\n".join(lines) + "\n"


def headlines(results: str) -> str:
    """What the README shows of `RESULTS.md`: a plot, if there is one, and a table of some figures."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in results.splitlines() if line.startswith("| ")]
    chosen = [f"| {line[0]} | {line[1]} {line[2]} | {line[4]} |" for line in cells if line[0].startswith(HEADLINES)]
    plot = [f"![One log() of ten floats, beside other trackers]({PLOT})", ""] if "(plots/log.svg)" in results else []
    return "\n".join([*plot, "| figure | median | bar |", "|---|---|---|", *chosen])


def replaced(text: str, figures: str) -> str:
    """The README with these figures between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


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
