"""goodseed's part (a SQLite file per run, no monitoring of the machine; it is read by `read_metrics`, as its server does)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import goodseed
from goodseed.storage import read_metrics

from benchmarks.adapters import METRIC, PROJECT, RUN, sum_file_sizes

VERSION = goodseed.__version__
DISABLED_FEATURES = ("capture_hardware_metrics", "capture_stdout", "capture_stderr", "capture_traceback", "git_ref")


def prepare(_: Path) -> None:
    """Nothing is needed."""


class RecordingRun:
    """A run."""

    def __init__(self, folder: Path) -> None:
        off = dict.fromkeys(DISABLED_FEATURES, False)
        self.run = goodseed.Run(project=PROJECT, run_id=RUN, storage="local", log_dir=str(folder), **off)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call."""
        self.run.log_metrics(dict(metrics), step=step)

    def finish(self) -> None:
        """End the run."""
        self.run.close()


def start(folder: Path) -> RecordingRun:
    """Begin the run."""
    return RecordingRun(folder)


def read_rows(folder: Path) -> Sequence[Any]:
    """The metric's rows."""
    return read_metrics(folder / f"{RUN}.sqlite", METRIC)


READERS = {"rows": read_rows}


def count_steps(folder: Path) -> int:
    """How many steps the database has."""
    return len(read_rows(folder))


def measure_sizes(folder: Path) -> dict[str, int]:
    """The database."""
    return {"database": sum_file_sizes(folder, f"{RUN}.sqlite*")}
