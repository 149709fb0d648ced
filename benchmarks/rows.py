"""A figure as it is reported: the median of several runs, their spread, and the bar that it has to pass."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

__all__ = [
    "Bar",
    "Question",
    "Row",
    "Size",
    "at_least",
    "at_most",
    "exactly",
    "figure",
    "in_turn",
    "left_out",
    "not_installed",
    "percentile",
    "ratios",
    "short",
]

T = TypeVar("T")


class Bar(NamedTuple):
    """What a figure has to be: `≤`, `≥` or `=` the limit."""

    sign: str
    limit: float

    def passed(self, value: float) -> bool:
        """Whether a figure passes."""
        match self.sign:
            case "≤":
                return value <= self.limit
            case "≥":
                return value >= self.limit
            case _:
                return value == self.limit

    def __str__(self) -> str:
        return f"{self.sign} {short(self.limit)}"


class Row(NamedTuple):
    """One figure. `ok` is None where there is no bar; `value` is None where it could not be measured, and `note` says why."""

    name: str
    value: float | None
    unit: str
    bar: Bar | None
    ok: bool | None
    runs: Sequence[float] = ()
    note: str = ""

    @property
    def figure(self) -> str:
        """The value as it is printed."""
        return "–" if self.value is None else short(self.value)

    @property
    def spread(self) -> str:
        """The lowest and the highest run."""
        return f"{short(min(self.runs))} – {short(max(self.runs))}" if len(self.runs) > 1 else ""


class Size(NamedTuple):
    """How much is measured: `runs` of each figure, how long one of them is, and beside which peers."""

    name: str
    runs: int
    blocks: int
    seconds: float
    starts: int
    steps: int
    points: int
    runs_there: tuple[int, ...]
    peers: tuple[str, ...]


class Question(NamedTuple):
    """What is asked, how it is measured (a module's docstring), the measuring, and whether `make bench-quick` asks it."""

    title: str
    method: str
    measure: Callable[[Size], list[Row]]
    quick: bool = True


def at_most(limit: float) -> Bar:
    """A bar from above."""
    return Bar("≤", limit)


def at_least(limit: float) -> Bar:
    """A bar from below."""
    return Bar("≥", limit)


def exactly(limit: float) -> Bar:
    """The one figure that is right."""
    return Bar("=", limit)


def figure(name: str, runs: Iterable[float], unit: str, bar: Bar | None = None, note: str = "") -> Row:
    """The median of the runs, held against the bar."""
    measured = list(runs)
    value = median(measured)
    return Row(name, value, unit, bar, None if bar is None else bar.passed(value), measured, note)


def left_out(name: str, unit: str, why: str) -> Row:
    """A figure that could not be measured here."""
    return Row(name, None, unit, None, None, note=why)


def not_installed(missing: Mapping[str, str]) -> list[Row]:
    """The peers that could not be measured, and why."""
    return [left_out(name, "", why) for name, why in missing.items()]


def in_turn(names: Sequence[T], number: int) -> list[T]:
    """Those to measure in one run: every other run the other way round."""
    return list(names) if number % 2 == 0 else list(reversed(names))


def ratios(runs: Iterable[float], others: Iterable[float]) -> list[float]:
    """Each run divided by the one that was measured beside it."""
    return [run / other for run, other in zip(runs, others, strict=True)]


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def short(value: float) -> str:
    """Three digits that count."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
