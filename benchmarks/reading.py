"""How fast is one long metric read and drawn?

A run of one million steps is received and projected beforehand. In a process of its own, after one reading that is not counted:
2000 min/max buckets of one metric from the store, the same by `Api.series` as all points; then by `GET /api/v1/series?columns=2000`
from a real server, as a binary frame over one connection that stays open, from the request to the last byte. Each run is
the median of nine. (One metric of 100,000 points by `Api`, from opening on, is in "How long until a run can be queried".)
"""

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row
from benchmarks.serving import run_server

__all__ = ["BENCHMARK", "measure"]

REPETITIONS = 9


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Milliseconds, in the store and over HTTP."""
    stored, framed, columns = [], [], f"{size.points:,} points"
    with temporary_folder() as path:
        run_child(
            "benchmarks.children.receiver",
            {"do": "fill", "folder": str(path), "first": 0, "runs": 1, "metrics": 10, "steps": size.points},
        )
        with run_server(path) as url:
            for _ in range(size.runs):
                stored.append(run_child("benchmarks.children.reader", {"do": "store", "folder": str(path), "times": REPETITIONS}))
                framed.append(
                    run_child(
                        "benchmarks.children.reader", {"do": "frames", "url": url, "runs": 1, "charts": 1, "times": REPETITIONS}
                    )
                )
    return [
        build_row(f"{columns} to 2000 min/max buckets, in the store", (run["buckets"] for run in stored), "ms", at_most(15)),
        build_row(f"{columns} to 2000 min/max buckets, over HTTP", (run["milliseconds"] for run in framed), "ms", at_most(40)),
        build_row(f"{columns} as arrays, by Api", (run["series"] for run in stored), "ms"),
    ]


BENCHMARK = Benchmark("How fast is one long metric read and drawn?", __doc__, measure)
