"""How many points a second can one core store and project?

In one process on one core: the raw store (one durable commit per call) is given items made beforehand, and the store projects them.
Bulk: one run of ten metrics, items just below 1 MiB, then one catch-up. Many writers: 200 runs of ten metrics, an item of ten
records each per round, one commit and one catch-up for the 200. Points per second are all points by the time of both; no network.
"""

from typing import Any

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_least, figure

__all__ = ["QUESTION", "measure"]

WRITERS = 200
ROUNDS = 20


def measure(size: Size) -> list[Row]:
    """Both shapes, in turn."""
    bulk: list[dict[str, Any]] = []
    many: list[dict[str, Any]] = []
    for _ in range(size.runs):
        for answers, work in (
            (bulk, {"do": "bulk", "steps": size.steps}),
            (many, {"do": "many", "writers": WRITERS, "rounds": min(ROUNDS, size.steps // 100)}),
        ):
            with folder() as path:
                answers.append(ask("benchmarks.children.receiver", {"folder": str(path), **work}))
    return [*rows("in bulk", bulk, 1.0), *rows(f"{WRITERS} writers, 10 records an item", many, 0.5)]


def rows(name: str, answers: list[dict[str, Any]], bar: float) -> list[Row]:
    """One shape's figures, in millions."""

    def rate(*parts: str) -> list[float]:
        return [answer["points"] / sum(answer[part] for part in parts) / 1e6 for answer in answers]

    return [
        figure(f"storing and projecting {name}", rate("store", "project"), "M points/s", at_least(bar)),
        figure(f"storing {name}", rate("store"), "M points/s"),
        figure(f"projecting {name}", rate("project"), "M points/s"),
    ]


QUESTION = Question("How many points a second can one core store and project?", __doc__, measure)
