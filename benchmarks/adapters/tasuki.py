"""tasuki's part."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tasuki
from benchmarks.adapters import METRIC, PROJECT, RUN, sum_file_sizes
from tasuki.settings import load
from tasuki.store import open_folder_store

VERSION = tasuki.__version__
Api = tasuki.Api  # imported here: imports are not counted


def prepare(_: Path) -> None:
    """Nothing is needed."""


def start(folder: Path) -> tasuki.Run:
    """Begin the run."""
    return tasuki.init(project=PROJECT, name=RUN, dir=str(folder))


def count_steps(folder: Path) -> int:
    """How many steps the store has."""
    with open_folder_store(load(dir=folder), wait_seconds=None) as store:
        run = store.run(PROJECT, RUN).id
        return store.summaries(PROJECT, [run], [METRIC])[0].n


def build_reader(query: Callable[[Any], Sequence[Any]]) -> Callable[[Path], Sequence[Any]]:
    """Open the data folder, find the run, ask."""

    def read(folder: Path) -> Sequence[Any]:
        with Api(dir=str(folder)) as api:
            return query(api.run(RUN, project=PROJECT))

    return read


READERS = {
    "arrays": build_reader(lambda run: run.series(METRIC).values),
    "rows": build_reader(lambda run: run.history(metric=METRIC)),
}


def measure_sizes(folder: Path) -> dict[str, int]:
    """The journal is the truth; the projection can be made again."""
    return {"journal": sum_file_sizes(folder, "journal/*/*.tsk"), "projection": sum_file_sizes(folder, "store.*.db*")}
