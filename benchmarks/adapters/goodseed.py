"""goodseed's part (a SQLite file per run, no monitoring of the machine; it is read by `read_metrics`, as its server does)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import goodseed
from goodseed.storage import read_metrics

from benchmarks.adapters import METRIC, PROJECT, RUN, size

VERSION = goodseed.__version__
QUIET = ("capture_hardware_metrics", "capture_stdout", "capture_stderr", "capture_traceback", "git_ref")


def prepare(_: Path) -> None:
    """Nothing is needed."""


class Recording:
    """A run."""

    def __init__(self, folder: Path) -> None:
        off = dict.fromkeys(QUIET, False)
        self.run = goodseed.Run(project=PROJECT, run_id=RUN, storage="local", log_dir=str(folder), **off)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call."""
        self.run.log_metrics(dict(metrics), step=step)

    def finish(self) -> None:
        """End the run."""
        self.run.close()


def start(folder: Path) -> Recording:
    """Begin the run."""
    return Recording(folder)


def rows(folder: Path) -> Sequence[Any]:
    """The metric's rows."""
    return read_metrics(folder / f"{RUN}.sqlite", METRIC)


READERS = {"rows": rows}


def count(folder: Path) -> int:
    """How many steps the database has."""
    return len(rows(folder))


def sizes(folder: Path) -> dict[str, int]:
    """The database."""
    return {"database": size(folder, f"{RUN}.sqlite*")}
