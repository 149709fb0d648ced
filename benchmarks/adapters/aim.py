"""aim's part (a RocksDB repository, without its monitoring of the machine; it is read by `Run.get_metric`)."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aim
from aim.sdk.repo import Repo
from aim.storage.context import Context

from benchmarks.adapters import METRIC, PROJECT, sum_file_sizes

VERSION = version("aim")
DISABLED_FEATURES: dict[str, Any] = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}
HASH_FILE = "hash"
"""The file with the run's name: aim chooses it."""


def prepare(folder: Path) -> None:
    """Make the repository, as `aim init` does."""
    Repo.from_path(str(folder), init=True).close()


class RecordingRun:
    """A run."""

    def __init__(self, folder: Path) -> None:
        self.run = aim.Run(repo=str(folder), experiment=PROJECT, **DISABLED_FEATURES)
        (folder / HASH_FILE).write_text(self.run.hash, encoding="utf-8")

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one call."""
        self.run.track(dict(metrics), step=step)

    def finish(self) -> None:
        """End the run."""
        self.run.close()


def start(folder: Path) -> RecordingRun:
    """Begin the run."""
    return RecordingRun(folder)


def read_rows(folder: Path) -> Sequence[Any]:
    """The metric's values. Opened for reading only, a run shows nothing before a server has indexed it."""
    with closing(aim.Run((folder / HASH_FILE).read_text(encoding="utf-8"), repo=str(folder), **DISABLED_FEATURES)) as run:
        metric = run.get_metric(METRIC, Context({}))
        return [] if metric is None else list(metric.values.sparse_list()[1])


READERS = {"rows": read_rows}


def count_steps(folder: Path) -> int:
    """How many steps the repository has."""
    return len(read_rows(folder))


def measure_sizes(folder: Path) -> dict[str, int]:
    """The repository."""
    return {"repository": sum_file_sizes(folder, ".aim/**/*")}
