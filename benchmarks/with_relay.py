"""Does the relay thread slow the training down?

One process computes in pure Python and logs ten floats between, some thousand times a second, without ever waiting: its relay
has to ask for the interpreter each time. It runs twice in each pair, in changing order: without a remote, and with a real server
in a process of its own, to which its relay sends once a second. A call's time is what `run.log()` takes. With the server up and
everything sent at the end, the reply's `pending` has to be 0.
"""

from typing import Any

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row, compute_percentile, exactly
from benchmarks.serving import run_server

__all__ = ["BENCHMARK", "measure"]


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Percentiles with and without the relay."""
    alone: list[dict[str, Any]] = []
    relayed: list[dict[str, Any]] = []
    with temporary_folder() as place, run_server(place / "server") as url:
        for number in range(size.runs):
            for remote in (None, url) if number % 2 == 0 else (url, None):
                work = {"folder": str(place / f"run{number}{remote is None}"), "remote": remote, "seconds": size.seconds}
                (alone if remote is None else relayed).append(run_child("benchmarks.children.busy", work))
    without, with_it = ([compute_percentile([ns / 1000 for ns in run["took"]], 99.9) for run in runs] for runs in (alone, relayed))
    return [
        build_row("log() p50, alone", (compute_percentile([ns / 1000 for ns in run["took"]], 50) for run in alone), "µs"),
        build_row(
            "log() p50, with the relay on", (compute_percentile([ns / 1000 for ns in run["took"]], 50) for run in relayed), "µs"
        ),
        build_row("log() p99.9, alone", without, "µs"),
        build_row("log() p99.9, with the relay on", with_it, "µs", at_most(100)),
        build_row("calls per second", (run["rate"] for run in relayed), "1/s"),
        build_row("records not acknowledged at the end", [sum(run["pending"] for run in relayed)], "", exactly(0)),
    ]


BENCHMARK = Benchmark("Does the relay slow log() down?", __doc__, measure)
