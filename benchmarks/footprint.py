"""What does tasuki cost a training process, and how fast does its command start?

Times are those of whole processes, from their start to their end, in turn with a bare `python -c pass`, after one of each that is
not counted; "more than bare" is the difference of neighbours. Memory is the resident size while 100,000 steps of ten metrics are
logged and the run is finished, at its highest, less what it was after `init`. Modules are those that the same process has
imported by its end.
"""

import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from benchmarks.child import ROOT, ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, exactly, figure, left_out

__all__ = ["QUESTION", "measure"]

STEPS = 100_000
FOREIGN = ("numpy", "apsw", "sqlite3", "httpx", "litestar")
BARE = [sys.executable, "-c", "pass"]
IMPORT = [sys.executable, "-c", "import tasuki"]
IMPORT_INIT = [sys.executable, "-c", "import tasuki; tasuki.init"]
VERSION = [sys.executable, "-m", "tasuki", "--version"]


class Started(NamedTuple):
    """How long processes took (ms), and what a bare Python beside each took."""

    took: list[float]
    bare: list[float]

    @property
    def more(self) -> list[float]:
        """The differences."""
        return [took - bare for took, bare in zip(self.took, self.bare, strict=True)]


def measure(size: Size) -> list[Row]:
    """Start times, memory, modules."""
    return [*imports(size), *growth(size), version(size)]


def imports(size: Size) -> list[Row]:
    """What importing takes."""
    facade, names = started(IMPORT, size.starts), started(IMPORT_INIT, size.starts)
    return [
        figure("bare Python", facade.bare, "ms"),
        figure("import tasuki, more than bare", facade.more, "ms", at_most(60)),
        figure("import tasuki; tasuki.init, more than bare", names.more, "ms", at_most(60), "all that a training imports"),
    ]


def growth(size: Size) -> list[Row]:
    """What a training process grows by, and what it has imported."""
    runs = []
    for _ in range(size.runs):
        with folder() as path:
            runs.append(ask("benchmarks.children.growth", {"folder": str(path), "steps": STEPS}))
    foreign = {module for run in runs for module in FOREIGN if module in run["modules"]}
    return [
        figure("memory after init", (run["resident"] for run in runs), "MB"),
        figure("memory grown by over 100,000 steps", (run["grown"] for run in runs), "MB", at_most(20)),
        figure(
            f"imported of {', '.join(FOREIGN)}",
            [len(foreign)],
            "",
            exactly(0),
            ", ".join(sorted(foreign)),
        ),
    ]


def version(size: Size) -> Row:
    """How long the shortest command takes."""
    try:
        return figure("tasuki --version", started(VERSION, size.starts).took, "ms", at_most(150))
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return left_out("tasuki --version", "ms", f"it fails: {' '.join(why)}")


def started(command: Sequence[str], times: int) -> Started:
    """Start a command and a bare Python in turn. CalledProcessError if it fails."""
    pairs = [(whole_run(command), whole_run(BARE)) for _ in range(times + 1)][1:]
    return Started([took for took, _ in pairs], [bare for _, bare in pairs])


def whole_run(command: Sequence[str]) -> float:
    """Milliseconds from start to end."""
    began = perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return (perf_counter() - began) * 1000


QUESTION = Question("What does tasuki cost a training process?", __doc__, measure)
