"""Does an answer take longer when there are a hundred times as many runs?

A folder grows from 1,000 to 10,000 and to 100,000 runs of ten metrics. At each size, in a process of its own, each run the median
of nine after one that is not counted: a page of the 100 newest runs, the 100 best runs by one metric, the summaries of ten runs
side by side. The bar is the longest by the shortest time over all sizes.
"""

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure

__all__ = ["QUESTION", "measure"]

TIMES = 9
STEPS = 1
METRICS = 10
ANSWERS = ("run list page", "best", "compare")


def measure(size: Size) -> list[Row]:
    """Milliseconds at each size, and how much they grow."""
    rows: dict[str, list[Row]] = {name: [] for name in ANSWERS}
    before = 0
    with folder() as path:
        for runs in size.runs_there:
            work = {"do": "fill", "folder": str(path), "first": before, "runs": runs, "metrics": METRICS, "steps": STEPS}
            ask("benchmarks.children.receiver", work)
            answers = [
                ask("benchmarks.children.reader", {"do": "growth", "folder": str(path), "times": TIMES}) for _ in range(size.runs)
            ]
            for name in ANSWERS:
                rows[name].append(figure(f"{name}, {runs:,} runs", (answer[name] for answer in answers), "ms"))
            before = runs
    return [row for name in ANSWERS for row in (*rows[name], grown(name, rows[name]))]


def grown(name: str, rows: list[Row]) -> Row:
    """The longest by the shortest."""
    medians = [row.value for row in rows if row.value is not None]
    return figure(f"{name}, longest by shortest", [max(medians) / min(medians)], "×", at_most(2))


QUESTION = Question("Does an answer take longer when there are more runs?", __doc__, measure, quick=False)
