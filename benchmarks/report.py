"""`RESULTS.md` and what the terminal shows: made of one run, wholly, so that it is always true."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from benchmarks.rows import Benchmark, ResultRow

__all__ = ["BenchmarkResult", "build_headlines", "build_page", "build_table", "list_missed_thresholds", "replace_figures"]

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
BEGIN_MARK, END_MARK = "<!-- figures: written by the benchmarks -->", "<!-- end of figures -->"
README_PLOT = "benchmarks/plots/log.svg"
COLUMNS = ("figure", "median", "unit", "lowest – highest run", "bar", "", "note")


class BenchmarkResult(NamedTuple):
    """What a question was answered with, and how busy the machine was meanwhile with something else."""

    benchmark: Benchmark
    rows: list[ResultRow]
    other_load: float


def list_missed_thresholds(results: Iterable[BenchmarkResult]) -> list[str]:
    """A line per bar that was not passed."""
    return [
        f"{row.name}: {row.formatted_value} {row.unit} ({row.threshold})".replace("  ", " ")
        for answer in results
        for row in answer.rows
        if row.is_met is False
    ]


def build_page(
    facts: Mapping[str, str],
    results: Mapping[str, BenchmarkResult],
    plots: Sequence[str],
    *,
    command: str,
    started_at: datetime,
    ended_at: datetime,
) -> str:
    """The whole of `RESULTS.md`."""
    minutes = (ended_at - started_at).total_seconds() / 60
    when = f"{started_at:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes"
    bars = list_missed_thresholds(results.values())
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
    for answer in results.values():
        lines += ["", f"## {answer.benchmark.title}", "", *describe_method(answer), "", *build_table(answer.rows)]
    lines += [line for plot in plots for line in ("", f"![{plot.removesuffix('.svg')}](plots/{plot})")]
    return "\n".join(lines) + "\n"


def build_headlines(results: str) -> str:
    """What the README shows of `RESULTS.md`: a plot, if there is one, and a table of some figures."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in results.splitlines() if line.startswith("| ")]
    chosen = [f"| {line[0]} | {line[1]} {line[2]} | {line[4]} |" for line in cells if line[0].startswith(HEADLINES)]
    plot = [f"![One log() of ten floats, beside other trackers]({README_PLOT})", ""] if "(plots/log.svg)" in results else []
    return "\n".join([*plot, "| figure | median | bar |", "|---|---|---|", *chosen])


def replace_figures(text: str, figures: str) -> str:
    """The README with these figures between its marks."""
    before, _, rest = text.partition(BEGIN_MARK)
    _, _, after = rest.partition(END_MARK)
    return f"{before}{BEGIN_MARK}\n\n{figures}\n\n{END_MARK}{after}"


def describe_method(result: BenchmarkResult) -> list[str]:
    """How it was measured: the question's docstring without its first line."""
    text = result.benchmark.method.partition("\n")[2].strip()
    return [text, "", f"Meanwhile {result.other_load:.0%} of the cores' time went to other work on the machine."]


def build_table(rows: Iterable[ResultRow]) -> list[str]:
    """A Markdown table that reads well as text too."""
    cells = [COLUMNS, *(build_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def build_cells(row: ResultRow) -> tuple[str, ...]:
    """A row's cells."""
    mark = {None: "", True: "✓", False: "✗"}[row.is_met]
    return row.name, row.formatted_value, row.unit, row.spread, "" if row.threshold is None else str(row.threshold), mark, row.note
