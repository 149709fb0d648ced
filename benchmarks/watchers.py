"""What does a watcher cost?

Each run is a process that logs ten floats in blocks of 500 calls, in turn: `run.log()` with the lines cut out that look for
watchers, `run.log()` without a watcher, with a watcher of a metric that the calls do not have, with one of a metric that they have
(NaN alone), and with one that has all rules but a function. Each block is compared with the block without watchers beside it, by
the medians of the calls; the figure is the median over blocks.
"""

from statistics import median

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row

__all__ = ["BENCHMARK", "measure"]

MAX_MICROSECONDS = {"no watcher": 0.2, "another metric": 0.2, "nan": 2.0, "all rules": 2.0}
ROW_NAMES = {
    "without": "run.log() p50, as if there were no watchers",
    "no watcher": "more: no watcher",
    "another metric": "more: another metric is watched",
    "nan": "more: one metric is watched for NaN",
    "all rules": "more: one metric is watched, all rules",
}


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """The call, and what each way costs more."""
    runs = []
    for _ in range(size.runs):
        with temporary_folder() as path:
            runs.append(run_child("benchmarks.children.watching", {"folder": str(path), "blocks": size.blocks}))
    return [
        build_row(
            name, (median(run[what]) for run in runs), "µs", at_most(MAX_MICROSECONDS[what]) if what in MAX_MICROSECONDS else None
        )
        for what, name in ROW_NAMES.items()
    ]


BENCHMARK = Benchmark("What does a watcher cost?", __doc__, measure)
