"""What does tasuki cost a training process, and how fast does its command start?

Times are those of whole processes, from their start to their end, in turn with a bare `python -c pass`, after one of each that is
not counted; "more than bare" is the difference of neighbours. The processor's time, in the notes, is what the process itself
used: other work on the machine lengthens it less. Memory is the resident size while 100,000 steps of ten metrics are
logged and the run is finished, at its highest, less what it was after `init`. Modules are those that the same process has
imported by its end.
"""

import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from benchmarks.child import ROOT, ask, environment
from benchmarks.machine import folder
from benchmarks.rows import Bar, Question, Row, Size, at_most, exactly, figure, left_out

__all__ = ["QUESTION", "measure"]

STEPS = 100_000
FOREIGN = ("numpy", "apsw", "sqlite3", "httpx", "litestar")
BARE = [sys.executable, "-c", "pass"]
IMPORT = [sys.executable, "-c", "import tasuki"]
IMPORT_INIT = [sys.executable, "-c", "import tasuki; tasuki.init"]
VERSION = [str(Path(sys.executable).with_name("tasuki")), "--version"]


class Took(NamedTuple):
    """Milliseconds of a whole process: on the clock, and of the processor."""

    clock: float
    processor: float


class Started(NamedTuple):
    """A command's processes, and a bare Python beside each."""

    command: list[Took]
    bare: list[Took]

    def row(self, name: str, bar: Bar | None = None) -> Row:
        """How long the command takes."""
        note = f"processor {median(took.processor for took in self.command):.0f} ms"
        return figure(name, (took.clock for took in self.command), "ms", bar, note)

    def more(self, name: str, bar: Bar | None = None) -> Row:
        """How much longer than the bare Python."""
        pairs = list(zip(self.command, self.bare, strict=True))
        note = f"processor {median(took.processor - bare.processor for took, bare in pairs):.0f} ms"
        return figure(name, (took.clock - bare.clock for took, bare in pairs), "ms", bar, note)


def measure(size: Size) -> list[Row]:
    """Start times, memory, modules."""
    return [*imports(size), *growth(size), version(size)]


def imports(size: Size) -> list[Row]:
    """What importing takes."""
    facade, names = started(IMPORT, size.starts), started(IMPORT_INIT, size.starts)
    return [
        Started(facade.bare, []).row("bare Python"),
        facade.more("import tasuki, more than bare", at_most(60)),
        names.more("import tasuki; tasuki.init, more than bare"),
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
        return started(VERSION, size.starts).row("tasuki --version", at_most(150))
    except FileNotFoundError:
        return left_out("tasuki --version", "ms", f"there is no {VERSION[0]}")
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return left_out("tasuki --version", "ms", f"it fails: {' '.join(why)}")


def started(command: Sequence[str], times: int) -> Started:
    """Start a command and a bare Python in turn. CalledProcessError if it fails."""
    pairs = [(whole_run(command), whole_run(BARE)) for _ in range(times + 1)][1:]
    return Started([took for took, _ in pairs], [bare for _, bare in pairs])


def whole_run(command: Sequence[str]) -> Took:
    """Run a command to its end."""
    used, began = processor_seconds(), perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment())
    return Took((perf_counter() - began) * 1000, (processor_seconds() - used) * 1000)


def processor_seconds() -> float:
    """What the children that have ended used of the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


QUESTION = Question("What does tasuki cost a training process?", __doc__, measure)
