"""What does one log() of ten floats cost?

Each run is a process that calls in blocks of 500, in turn: nothing (the timer), the floor, `run.log(metrics, step=…)` and
`tasuki.log(…)`. The floor is the least that can be done: msgspec encodes the same record, `os.write` writes those bytes to an
O_APPEND file in the same folder. Every call is timed by `perf_counter_ns` on all sides alike, and the timer's own median is taken
off. The ratio compares neighbouring blocks, so that a machine that slows down for a while slows both. Percentiles are over all
calls of a run; the journal's once-a-second sync to the disk is among them, the floor has none.

Beside the peers: each in a process of its own, a tight loop of as many calls as it makes in seconds, the first 100 not
counted; one run of each tracker after the other, every other time the other way round.
"""

from typing import Any

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.peer import OURS, install_trackers
from benchmarks.rows import (
    Benchmark,
    BenchmarkSize,
    ResultRow,
    alternate_order,
    at_least,
    at_most,
    build_missing_peer_rows,
    build_row,
    compute_ratios,
)

__all__ = ["BENCHMARK", "measure"]

THRESHOLDS = {"trackio": at_least(10)}


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """The floor, our calls, and the ratios."""
    return [*measure_floor(size), *measure_peers(size)]


def measure_floor(size: BenchmarkSize) -> list[ResultRow]:
    """Our calls and the least that they could take."""
    runs = []
    for _ in range(size.runs):
        with temporary_folder() as path:
            runs.append(run_child("benchmarks.children.tight_loop", {"folder": str(path), "blocks": size.blocks}))

    def build_microseconds_row(name: str, key: str) -> ResultRow:
        return build_row(name, (run[key] / 1000 for run in runs), "µs")

    return [
        build_microseconds_row("floor p50: encode and write", "floor p50"),
        build_microseconds_row("run.log() p50", "log p50"),
        build_row("run.log() p50 by the floor's", (run["ratio"] for run in runs), "×", at_most(1.7)),
        build_microseconds_row("tasuki.log() p50", "facade p50"),
        build_microseconds_row("run.log() p99", "log p99"),
        build_microseconds_row("run.log() p99.9", "log p99.9"),
        build_microseconds_row("floor p99.9", "floor p99.9"),
    ]


def measure_peers(size: BenchmarkSize) -> list[ResultRow]:
    """Each tracker in a tight loop."""
    found, missing = install_trackers(size.peers)
    answers: dict[str, list[dict[str, Any]]] = {tracker.name: [] for tracker in found}
    for number in range(size.runs):
        for tracker in alternate_order(found, number):
            with temporary_folder() as path:
                answers[tracker.name].append(tracker.run("calls", path, steps=min(tracker.calls, 200 * size.blocks)))
    took = {name: [run["p50"] / 1000 for run in runs] for name, runs in answers.items()}
    rows = [build_row(f"log() p50, {name} {answers[name][0]['version']}", runs, "µs") for name, runs in took.items()]
    rows += [
        build_row(f"{name} log() p50, by ours", compute_ratios(runs, took[OURS.name]), "×", THRESHOLDS.get(name))
        for name, runs in took.items()
        if name != OURS.name
    ]
    return [*rows, *build_missing_peer_rows(missing)]


BENCHMARK = Benchmark("What does one log() of ten floats cost?", __doc__, measure)
