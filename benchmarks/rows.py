"""A figure as it is reported: the median of several runs, their spread, and the bar that it has to pass."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

__all__ = [
    "Benchmark",
    "BenchmarkSize",
    "ResultRow",
    "Threshold",
    "alternate_order",
    "at_least",
    "at_most",
    "build_missing_peer_rows",
    "build_row",
    "build_skipped_row",
    "compute_percentile",
    "compute_ratios",
    "exactly",
    "format_value",
]

T = TypeVar("T")


class Threshold(NamedTuple):
    """What a figure has to be: `≤`, `≥` or `=` the limit."""

    operator: str
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether a figure passes."""
        match self.operator:
            case "≤":
                return value <= self.limit
            case "≥":
                return value >= self.limit
            case _:
                return value == self.limit

    def __str__(self) -> str:
        return f"{self.operator} {format_value(self.limit)}"


class ResultRow(NamedTuple):
    """One figure. `ok` is None where there is no bar; `value` is None where it could not be measured, and `note` says why."""

    name: str
    value: float | None
    unit: str
    threshold: Threshold | None
    is_met: bool | None
    runs: Sequence[float] = ()
    note: str = ""

    @property
    def formatted_value(self) -> str:
        """The value as it is printed."""
        return "–" if self.value is None else format_value(self.value)

    @property
    def spread(self) -> str:
        """The lowest and the highest run."""
        return f"{format_value(min(self.runs))} – {format_value(max(self.runs))}" if len(self.runs) > 1 else ""


class BenchmarkSize(NamedTuple):
    """How much is measured: `runs` of each figure, how long one of them is, and beside which peers."""

    name: str
    runs: int
    blocks: int
    seconds: float
    starts: int
    steps: int
    points: int
    run_counts: tuple[int, ...]
    peers: tuple[str, ...]


class Benchmark(NamedTuple):
    """What is asked, how it is measured (a module's docstring), the measuring, and whether `make bench-quick` asks it."""

    title: str
    method: str
    measure: Callable[[BenchmarkSize], list[ResultRow]]
    is_quick: bool = True


def at_most(limit: float) -> Threshold:
    """A bar from above."""
    return Threshold("≤", limit)


def at_least(limit: float) -> Threshold:
    """A bar from below."""
    return Threshold("≥", limit)


def exactly(limit: float) -> Threshold:
    """The one figure that is right."""
    return Threshold("=", limit)


def build_row(name: str, runs: Iterable[float], unit: str, threshold: Threshold | None = None, note: str = "") -> ResultRow:
    """The median of the runs, held against the bar."""
    measured = list(runs)
    value = median(measured)
    return ResultRow(name, value, unit, threshold, None if threshold is None else threshold.is_met(value), measured, note)


def build_skipped_row(name: str, unit: str, reason: str) -> ResultRow:
    """A figure that could not be measured here."""
    return ResultRow(name, None, unit, None, None, note=reason)


def build_missing_peer_rows(missing: Mapping[str, str]) -> list[ResultRow]:
    """The peers that could not be measured, and why."""
    return [build_skipped_row(name, "", why) for name, why in missing.items()]


def alternate_order(names: Sequence[T], number: int) -> list[T]:
    """Those to measure in one run: every other run the other way round."""
    return list(names) if number % 2 == 0 else list(reversed(names))


def compute_ratios(runs: Iterable[float], others: Iterable[float]) -> list[float]:
    """Each run divided by the one that was measured beside it."""
    return [run / other for run, other in zip(runs, others, strict=True)]


def compute_percentile(values: Iterable[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def format_value(value: float) -> str:
    """Three digits that count."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
