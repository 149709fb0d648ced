"""trackio's part (it keeps a database per project in TRACKIO_DIR, and reads a metric by `get_metric_values`, as its CLI does)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trackio
from trackio.sqlite_storage import SQLiteStorage

from benchmarks.adapters import METRIC, PROJECT, RUN, sum_file_sizes

VERSION = trackio.__version__


def prepare(_: Path) -> None:
    """Nothing is needed."""


class RecordingRun:
    """A run."""

    def __init__(self) -> None:
        trackio.init(project=PROJECT, name=RUN, embed=False)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call."""
        trackio.log(dict(metrics), step=step)

    def finish(self) -> None:
        """End the run."""
        trackio.finish()


def start(_: Path) -> RecordingRun:
    """Begin the run."""
    return RecordingRun()


def count_steps(_: Path) -> int:
    """How many steps the database has."""
    return SQLiteStorage.get_log_count(PROJECT, RUN)


def read_rows(_: Path) -> Sequence[Any]:
    """The metric's rows."""
    return SQLiteStorage.get_metric_values(PROJECT, RUN, METRIC)


READERS = {"rows": read_rows}


def measure_sizes(folder: Path) -> dict[str, int]:
    """The database."""
    return {"database": sum_file_sizes(folder, "bench.db*")}
