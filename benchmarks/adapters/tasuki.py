"""tasuki's part."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tasuki
from benchmarks.adapters import METRIC, PROJECT, RUN, size
from tasuki.settings import load
from tasuki.store import open_local

VERSION = tasuki.__version__
Api = tasuki.Api  # imported here: imports are not counted


def prepare(_: Path) -> None:
    """Nothing is needed."""


def start(folder: Path) -> tasuki.Run:
    """Begin the run."""
    return tasuki.init(project=PROJECT, name=RUN, dir=str(folder))


def count(folder: Path) -> int:
    """How many steps the store has."""
    with open_local(load(dir=folder), wait_seconds=None) as store:
        run = store.run(PROJECT, RUN).id
        return store.summaries(PROJECT, [run], [METRIC])[0].n


def asked(question: Callable[[Any], Sequence[Any]]) -> Callable[[Path], Sequence[Any]]:
    """Open the data folder, find the run, ask."""

    def read(folder: Path) -> Sequence[Any]:
        with Api(dir=str(folder)) as api:
            return question(api.run(RUN, project=PROJECT))

    return read


READERS = {
    "arrays": asked(lambda run: run.series(METRIC).values),
    "rows": asked(lambda run: run.history(metric=METRIC)),
}


def sizes(folder: Path) -> dict[str, int]:
    """The journal is the truth; the projection can be made again."""
    return {"journal": size(folder, "journal/*/*.tsk"), "projection": size(folder, "store.*.db*")}
