"""Plots as SVG, drawn here: bars and lines on a logarithmic scale, legible on a light and on a dark page."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import BenchmarkResult
from benchmarks.rows import ResultRow, format_value

__all__ = ["PLOT_DEFINITIONS", "Plot", "write_plots"]

WIDTH, LEFT, RIGHT, ROW_HEIGHT, TOP = 720, 190, 110, 26, 48
HEIGHT = 300
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 } .faint { fill: #57606a }
rect { fill: #8c959f } .ours { fill: #0969da } path { fill: none; stroke-width: 2 } line { stroke: #8c959f; stroke-opacity: .4 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9198a1 } rect { fill: #6e7681 } .ours { fill: #4493f8 }
}
""".strip()
COLOURS = ("#0969da", "#bf8700", "#8250df", "#1a7f37")


class Plot(NamedTuple):
    """What is drawn: the rows of a question whose names begin (and end) so, with what is between as the label."""

    file: str
    title: str
    benchmark: str
    prefix: str
    suffix: str
    draw: Callable[[str, str, Sequence[tuple[str, float]]], str]

    def select_values(self, rows: Sequence[ResultRow]) -> list[tuple[str, float]]:
        """Labels and values, what is not above zero left out: a logarithm has no place for it."""
        found = [
            row
            for row in rows
            if row.value and row.value > 0 and row.name.startswith(self.prefix) and row.name.endswith(self.suffix)
        ]
        return [(row.name.removeprefix(self.prefix).removesuffix(self.suffix), row.value or 0.0) for row in found]


def write_plots(folder: Path, results: Mapping[str, BenchmarkResult]) -> list[str]:
    """Write the plots for which there are figures; their file names."""
    folder.mkdir(exist_ok=True)
    written = []
    for plot in PLOT_DEFINITIONS:
        rows = results[plot.benchmark].rows if plot.benchmark in results else []
        if values := plot.select_values(rows):
            unit = next(row.unit for row in rows if row.name.startswith(plot.prefix))
            (folder / plot.file).write_text(plot.draw(plot.title, unit, values), encoding="utf-8")
            written.append(plot.file)
    return written


def draw_bars(title: str, unit: str, values: Sequence[tuple[str, float]]) -> str:
    """A bar per label, the least first."""
    ordered = sorted(values, key=lambda pair: pair[1])
    scale = Scale([value for _, value in ordered], LEFT, WIDTH - RIGHT)
    parts = []
    for place, (label, value) in enumerate(ordered):
        y = TOP + place * ROW_HEIGHT
        ours = ' class="ours"' if label.startswith("tasuki") else ""
        parts.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect{ours} x="{LEFT}" y="{y + 2}" width="{scale(value) - LEFT:.1f}" height="16" rx="2"/>')
        parts.append(f'<text x="{scale(value) + 6:.1f}" y="{y + 14}">{format_value(value)} {escape(unit)}</text>')
    return build_document(title, TOP + len(ordered) * ROW_HEIGHT + 12, parts)


def draw_lines(title: str, unit: str, values: Sequence[tuple[str, float]]) -> str:
    """A line per answer: the label is `answer, N`, and N goes to the right."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for label, value in values:
        name, _, n = label.rpartition(", ")
        curves.setdefault(name, []).append((int(n.replace(",", "")), value))
    across = Scale([n for curve in curves.values() for n, _ in curve], 60, WIDTH - 180, room=1)
    up = Scale([value for _, value in values], HEIGHT - 40, TOP + 10)
    parts = []
    for n in sorted({n for curve in curves.values() for n, _ in curve}):
        parts.append(f'<line x1="{across(n):.1f}" x2="{across(n):.1f}" y1="{TOP}" y2="{HEIGHT - 36}"/>')
        parts.append(f'<text class="faint" x="{across(n):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{n:,} runs</text>')
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        points = " L".join(f"{across(n):.1f} {up(value):.1f}" for n, value in curve)
        parts.append(f'<path d="M{points}" stroke="{colour}"/>')
        n, value = curve[-1]
        parts.append(
            f'<text x="{across(n) + 8:.1f}" y="{up(value) + 4:.1f}">{escape(name)}: {format_value(value)} {escape(unit)}</text>'
        )
    return build_document(title, HEIGHT, parts)


class Scale:
    """Places on a logarithmic axis: from a little below the least value to the greatest."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, room: float = 2) -> None:
        self.low = math.log(min(values) / room)
        self.span = max(math.log(max(values)) - self.low, 1e-9)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (math.log(value) - self.low) / self.span * (self.end - self.start)


def build_document(title: str, height: int, parts: Sequence[str]) -> str:
    """The whole file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
    heading = f'<text class="title" x="16" y="24">{escape(title)} <tspan class="faint">(logarithmic)</tspan></text>'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", heading, *parts, "</svg>"]) + "\n"


PLOT_DEFINITIONS = [
    Plot("log.svg", "One log() of ten floats, median", "log_call", "log() p50, ", "", draw_bars),
    Plot("queryable.svg", "From init to queryable, per step", "to_queryable", "per step, ", "", draw_bars),
    Plot("server.svg", "A server over HTTP, points stored and projected per second", "server", "received by ", "", draw_bars),
    Plot("growth.svg", "Answers while the number of runs grows", "growth", "", " runs", draw_lines),
]
