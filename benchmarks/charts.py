"""How fast are the charts of ten runs of a million points drawn?

Ten runs of ten metrics, a million steps each (100 series, 100 million points), are received and projected beforehand. Then all
charts are asked for: one `GET /api/v1/series` per metric, with all ten runs, 640 columns, as binary frames over one connection,
from the first request to the last byte. The store is warm: all was asked for once before, and nothing changes. Each run is the
median of five.
"""

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row
from benchmarks.serving import run_server
from benchmarks.workload import METRICS

__all__ = ["BENCHMARK", "measure"]

RUNS = 10
REPETITIONS = 5


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Milliseconds of all frames."""
    with temporary_folder() as path:
        for number in range(RUNS):
            work = {"do": "fill", "folder": str(path), "first": number, "runs": number + 1, "metrics": len(METRICS)}
            run_child("benchmarks.children.receiver", {**work, "steps": size.points})
        with run_server(path) as url:
            work = {"do": "frames", "url": url, "runs": RUNS, "charts": len(METRICS), "times": REPETITIONS}
            answers = [run_child("benchmarks.children.reader", work) for _ in range(size.runs)]
    return [
        build_row(
            f"all frames of {RUNS} runs × {size.points:,} points × {len(METRICS)} metrics",
            (run["milliseconds"] for run in answers),
            "ms",
            at_most(400),
        ),
        build_row("bytes of all frames", (run["bytes"] / 1e6 for run in answers), "MB"),
    ]


BENCHMARK = Benchmark("How fast are the charts of ten long runs drawn?", __doc__, measure, is_quick=False)
