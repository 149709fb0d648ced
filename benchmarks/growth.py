"""Does an answer take longer when there are a hundred times as many runs?

A folder grows from 1,000 to 10,000 and to 100,000 runs of ten metrics. At each size, in a process of its own, each run the median
of nine after one that is not counted: a page of the 100 newest runs, the 100 best runs by one metric, the summaries of ten runs
side by side. The bar is the longest by the shortest time over all sizes.
"""

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row

__all__ = ["BENCHMARK", "measure"]

REPETITIONS = 9
STEPS = 1
METRICS = 10
QUERY_NAMES = ("run list page", "best", "compare")


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Milliseconds at each size, and how much they grow."""
    rows: dict[str, list[ResultRow]] = {name: [] for name in QUERY_NAMES}
    before = 0
    with temporary_folder() as path:
        for runs in size.run_counts:
            work = {"do": "fill", "folder": str(path), "first": before, "runs": runs, "metrics": METRICS, "steps": STEPS}
            run_child("benchmarks.children.receiver", work)
            answers = [
                run_child("benchmarks.children.reader", {"do": "growth", "folder": str(path), "times": REPETITIONS})
                for _ in range(size.runs)
            ]
            for name in QUERY_NAMES:
                rows[name].append(build_row(f"{name}, {runs:,} runs", (answer[name] for answer in answers), "ms"))
            before = runs
    return [row for name in QUERY_NAMES for row in (*rows[name], build_growth_row(name, rows[name]))]


def build_growth_row(name: str, rows: list[ResultRow]) -> ResultRow:
    """The longest by the shortest."""
    medians = [row.value for row in rows if row.value is not None]
    return build_row(f"{name}, longest by shortest", [max(medians) / min(medians)], "×", at_most(2))


BENCHMARK = Benchmark("Does an answer take longer when there are more runs?", __doc__, measure, is_quick=False)
