"""The trackers behind one small protocol: an adapter is a module, run in its tracker's environment, that has these names.

It imports the standard library, its tracker, and from here what itself needs no more than that.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

__all__ = ["METRIC", "PROJECT", "RUN", "Adapter", "RecordingRun", "sum_file_sizes"]

PROJECT, RUN, METRIC = "bench", "one", "train/loss"
"""What is recorded, and the metric that is read."""


class RecordingRun(Protocol):
    """A run that is being recorded."""

    def log(self, metrics: Mapping[str, float], step: int) -> object:
        """Record one call."""
        ...

    def finish(self) -> object:
        """End the run; everything has been handed over."""
        ...


class Adapter(Protocol):
    """A tracker that keeps its files in one folder."""

    VERSION: str
    READERS: Mapping[str, Callable[[Path], Sequence[Any]]]
    """The ways to read `METRIC`: opening included, a value or a row for each step."""

    def prepare(self, folder: Path) -> None:
        """What a user does once per folder."""
        ...

    def start(self, folder: Path) -> RecordingRun:
        """Begin the run."""
        ...

    def count_steps(self, folder: Path) -> int:
        """How many steps the tracker itself finds, after whatever recovery it has."""
        ...

    def measure_sizes(self, folder: Path) -> Mapping[str, int]:
        """Bytes on the disk, by what they are for."""
        ...


def sum_file_sizes(folder: Path, pattern: str) -> int:
    """Bytes of files."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())
