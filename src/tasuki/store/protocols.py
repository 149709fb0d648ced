"""The two seams of the store: where streams are received, and what answers questions."""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tasuki.records import AlertRow, FileRow, HistoryRow, Item, NoteKind, NoteRow, Position, ProjectRow, Reply, RunRow, Summary

__all__ = ["Query", "Series", "Store", "Top"]


class Series(NamedTuple):
    """One metric of one run, by (step, time): float64 values, int64 steps, int64 microseconds UTC."""

    steps: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


class Top(NamedTuple):
    """The `n` best runs by a metric: least or greatest first, by its last value, its minimum or its maximum.

    Of equals the run that was created first is first. Runs where that is NaN are none of the best.
    """

    n: int
    mode: Literal["min", "max"] = "min"
    by: Literal["last", "min", "max"] = "last"


class Store(Protocol):
    """A receiver of streams. What it has answered `stored` is durable."""

    def append(self, items: Sequence[Item]) -> list[Reply]:
        """Compare and append, one durable commit for all items; a reply per item, in their order. Sending again is harmless."""
        ...

    def positions(self, writers: Collection[str]) -> dict[str, Position]:
        """The position of each writer; (0, 0) for one never heard of."""
        ...

    def purge(self, project: str, run: str) -> int:
        """Drop the run's streams, leaving tombstones; returns how many. Their items are answered `stored` and discarded."""
        ...


class Query(Protocol):
    """Answers. A project or run that is not there raises NotFound, which names those that are."""

    @property
    def missing(self) -> int:
        """How many records had been made but not projected yet when the last question was answered."""
        ...

    def projects(self) -> list[ProjectRow]:
        """All projects, by name."""
        ...

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """The project's runs, or the first `limit` of them, in the order they were created or the newest first."""
        ...

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        ...

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: Top | None = None,
    ) -> list[Summary]:
        """The summary of each metric of each run (all, or those of the given run ids and metric names), by run and metric.

        With `top` only the best of them, the best first.
        """
        ...

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """What was logged, by (step, time); with `metric` only the calls that logged it, and only its value."""
        ...

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points. NotFound for a metric that the run has not logged."""
        ...

    def alerts(self, project: str, run: str | None = None) -> list[AlertRow]:
        """The alerts of a project or of one run (by id), by time."""
        ...

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """A project's notes by time, once each; those that conflict with one that came first are marked.

        Only those of a kind, later than `since` (microseconds UTC), or in whose texts `search` is found, whatever its case.
        """
        ...

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """The files of a project, or of one run (by id; "" for those that are in none), in the order in which they came."""
        ...
