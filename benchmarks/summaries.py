"""How fast are the tables of a thousand runs?

1000 runs of 50 metrics each are received and projected beforehand. In a process of its own, after one that is not counted, each
run the median of nine: the summaries of all runs and metrics, and the list of all runs, as a server asks its
store (its projector has caught up), and as `Api` does, which first looks for new records. Then `tasuki run list` as a command, the
whole process.
"""

import sys
from pathlib import Path
from time import perf_counter

from benchmarks.child import run_child, run_command
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row

__all__ = ["BENCHMARK", "measure"]

METRICS = 50
REPETITIONS = 9
TASUKI_COMMAND = str(Path(sys.executable).with_name("tasuki"))


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Milliseconds, and the command's seconds."""
    runs = min(1_000, max(size.run_counts))
    with temporary_folder() as path:
        run_child(
            "benchmarks.children.receiver",
            {"do": "fill", "folder": str(path), "first": 0, "runs": runs, "metrics": METRICS, "steps": 2},
        )
        answers = [
            run_child("benchmarks.children.reader", {"do": "tables", "folder": str(path), "times": REPETITIONS})
            for _ in range(size.runs)
        ]
        command = [measure_command(path) for _ in range(size.starts + 1)][1:]
    return [
        build_row(f"summaries of {runs:,} runs × {METRICS} metrics", (run["summaries"] for run in answers), "ms", at_most(25)),
        build_row(f"list of {runs:,} runs", (run["runs"] for run in answers), "ms", at_most(5)),
        build_row("summaries, by Api", (run["summaries by Api"] for run in answers), "ms"),
        build_row("list, by Api", (run["runs by Api"] for run in answers), "ms"),
        build_row("tasuki run list, the command", command, "s", at_most(0.3)),
    ]


def measure_command(path: Path) -> float:
    """The whole process."""
    began = perf_counter()
    run_command([TASUKI_COMMAND, "run", "list"], variables={"TASUKI_DIR": str(path)})
    return perf_counter() - began


BENCHMARK = Benchmark("How fast are the tables of a thousand runs?", __doc__, measure)
