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

from benchmarks.child import ROOT, build_environment, run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, Threshold, at_most, build_row, build_skipped_row, exactly

__all__ = ["BENCHMARK", "measure"]

STEPS = 100_000
HEAVY_MODULES = ("numpy", "apsw", "sqlite3", "httpx", "litestar")
BARE_PYTHON = [sys.executable, "-c", "pass"]
IMPORT_TASUKI = [sys.executable, "-c", "import tasuki"]
IMPORT_INIT = [sys.executable, "-c", "import tasuki; tasuki.init"]
VERSION_COMMAND = [str(Path(sys.executable).with_name("tasuki")), "--version"]


class ProcessTime(NamedTuple):
    """Milliseconds of a whole process: on the clock, and of the processor."""

    clock: float
    processor: float


class StartTimes(NamedTuple):
    """A command's processes, and a bare Python beside each."""

    command: list[ProcessTime]
    bare: list[ProcessTime]

    def build_row_of_command(self, name: str, threshold: Threshold | None = None) -> ResultRow:
        """How long the command takes."""
        note = f"processor {median(took.processor for took in self.command):.0f} ms"
        return build_row(name, (took.clock for took in self.command), "ms", threshold, note)

    def build_row_of_difference(self, name: str, threshold: Threshold | None = None) -> ResultRow:
        """How much longer than the bare Python."""
        pairs = list(zip(self.command, self.bare, strict=True))
        note = f"processor {median(took.processor - bare.processor for took, bare in pairs):.0f} ms"
        return build_row(name, (took.clock - bare.clock for took, bare in pairs), "ms", threshold, note)


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Start times, memory, modules."""
    return [*measure_imports(size), *measure_growth(size), measure_version(size)]


def measure_imports(size: BenchmarkSize) -> list[ResultRow]:
    """What importing takes."""
    facade, names = measure_starts(IMPORT_TASUKI, size.starts), measure_starts(IMPORT_INIT, size.starts)
    return [
        StartTimes(facade.bare, []).build_row_of_command("bare Python"),
        facade.build_row_of_difference("import tasuki, more than bare", at_most(60)),
        names.build_row_of_difference("import tasuki; tasuki.init, more than bare"),
    ]


def measure_growth(size: BenchmarkSize) -> list[ResultRow]:
    """What a training process grows by, and what it has imported."""
    runs = []
    for _ in range(size.runs):
        with temporary_folder() as path:
            runs.append(run_child("benchmarks.children.growth", {"folder": str(path), "steps": STEPS}))
    foreign = {module for run in runs for module in HEAVY_MODULES if module in run["modules"]}
    return [
        build_row("memory after init", (run["resident"] for run in runs), "MB"),
        build_row("memory grown by over 100,000 steps", (run["grown"] for run in runs), "MB", at_most(20)),
        build_row(
            f"imported of {', '.join(HEAVY_MODULES)}",
            [len(foreign)],
            "",
            exactly(0),
            ", ".join(sorted(foreign)),
        ),
    ]


def measure_version(size: BenchmarkSize) -> ResultRow:
    """How long the shortest command takes."""
    try:
        return measure_starts(VERSION_COMMAND, size.starts).build_row_of_command("tasuki --version", at_most(150))
    except FileNotFoundError:
        return build_skipped_row("tasuki --version", "ms", f"there is no {VERSION_COMMAND[0]}")
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return build_skipped_row("tasuki --version", "ms", f"it fails: {' '.join(why)}")


def measure_starts(command: Sequence[str], times: int) -> StartTimes:
    """Start a command and a bare Python in turn. CalledProcessError if it fails."""
    pairs = [(time_process(command), time_process(BARE_PYTHON)) for _ in range(times + 1)][1:]
    return StartTimes([took for took, _ in pairs], [bare for _, bare in pairs])


def time_process(command: Sequence[str]) -> ProcessTime:
    """Run a command to its end."""
    used, began = get_processor_seconds(), perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=build_environment())
    return ProcessTime((perf_counter() - began) * 1000, (get_processor_seconds() - used) * 1000)


def get_processor_seconds() -> float:
    """What the children that have ended used of the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


BENCHMARK = Benchmark("What does tasuki cost a training process?", __doc__, measure)
