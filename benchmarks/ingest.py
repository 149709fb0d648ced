"""How many points a second can one core store and project?

In one process on one core: the raw store (one durable commit per call) is given items made beforehand, and the store projects them.
Bulk: one run of ten metrics, items just below 1 MiB, then one catch-up. Many writers: 200 runs of ten metrics, an item of ten
records each per round, one commit for the 200. A server's committer and its projector are two processes: on one core each has half
of it, so commits go on for as long as the last catch-up took, and the next catch-up takes all that has come. "Behind" is the
longest time from a commit to the end of the catch-up that projects it. For comparison, a catch-up after each single commit. Points
per second are all points by the time of both; no network.
"""

from typing import Any

from benchmarks.child import run_child
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, Threshold, at_least, build_row

__all__ = ["BENCHMARK", "measure"]

WRITERS = 200
ROUNDS = 100
SINGLE_ROUNDS = 20


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Both shapes, in turn."""
    bulk: list[dict[str, Any]] = []
    many: list[dict[str, Any]] = []
    single: list[dict[str, Any]] = []
    for _ in range(size.runs):
        for answers, work in (
            (bulk, {"do": "bulk", "steps": size.steps}),
            (many, {"do": "many", "fair": True, "writers": WRITERS, "rounds": min(ROUNDS, size.steps // 100)}),
            (single, {"do": "many", "fair": False, "writers": WRITERS, "rounds": min(SINGLE_ROUNDS, size.steps // 100)}),
        ):
            with temporary_folder() as path:
                answers.append(run_child("benchmarks.children.receiver", {"folder": str(path), **work}))
    name = f"{WRITERS} writers, 10 records an item"
    return [
        *build_rows("in bulk", bulk, at_least(1)),
        *build_rows(name, many, at_least(0.5)),
        build_row(f"behind, {name}", (answer["lag"] for answer in many), "s"),
        *build_rows(f"{name}, a catch-up per commit", single, None),
    ]


def build_rows(name: str, answers: list[dict[str, Any]], threshold: Threshold | None) -> list[ResultRow]:
    """One shape's figures, in millions."""

    def compute_rates(*parts: str) -> list[float]:
        return [answer["points"] / sum(answer[part] for part in parts) / 1e6 for answer in answers]

    return [
        build_row(f"storing and projecting {name}", compute_rates("store", "project"), "M points/s", threshold),
        build_row(f"storing {name}", compute_rates("store"), "M points/s"),
        build_row(f"projecting {name}", compute_rates("project"), "M points/s"),
    ]


BENCHMARK = Benchmark("How many points a second can one core store and project?", __doc__, measure)
