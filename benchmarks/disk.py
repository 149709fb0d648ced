"""How many bytes does a point take that arrived live, ten records at a time?

The run is sent as a training process that logs ten times a second sends it: items of ten records, each stored by a commit of its
own, as a server does, and projected ten items at a time. Then the stream ends: its items are packed and its tail is folded into
chunks, as a server does by itself, and the two databases are closed. `raw` is the truth that is kept, `projection` can be made
again from it. Bytes are those of the files, by the number of points. The peers' bytes per point are in "How long until a run can
be queried" (they do not vary with the cadence).
"""

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row
from benchmarks.workload import METRICS, Precision

__all__ = ["BENCHMARK", "measure"]

STEPS = 100_000
THRESHOLDS = {
    Precision.FLOAT32: {"raw": at_most(7), "projection": at_most(5)},
    Precision.FLOAT64: {"raw": at_most(10), "projection": at_most(8)},
}


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Bytes per point of both kinds of values, in both databases."""
    steps = min(STEPS, size.steps)
    rows = []
    for kind, bars in THRESHOLDS.items():
        with temporary_folder() as path:
            found = run_child("benchmarks.children.receiver", {"do": "live", "folder": str(path), "steps": steps, "kind": kind})
        for part, bar in bars.items():
            rows.append(build_row(f"{part}, {kind} values", [found[part] / (steps * len(METRICS))], "B/point", bar))
    return rows


BENCHMARK = Benchmark("How many bytes does a point take that arrived live?", __doc__, measure)
