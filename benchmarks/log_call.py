"""What does one log() of ten floats cost?

Each run is a process that calls in blocks of 500, in turn: nothing (the timer), the floor, `run.log(metrics, step=…)` and
`tasuki.log(…)`. The floor is the least that can be done: msgspec encodes the same record, `os.write` writes those bytes to an
O_APPEND file in the same folder. Every call is timed by `perf_counter_ns` on all sides alike, and the timer's own median is taken
off. The ratio compares neighbouring blocks, so that a machine that slows down for a while slows both. Percentiles are over all
calls of a run; the journal's once-a-second sync to the disk is among them, the floor has none.
"""

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure

__all__ = ["QUESTION", "measure"]


def measure(size: Size) -> list[Row]:
    """The floor, our calls, and the ratio."""
    runs = []
    for _ in range(size.runs):
        with folder() as path:
            runs.append(ask("benchmarks.children.tight_loop", {"folder": str(path), "blocks": size.blocks}))

    def microseconds(name: str, key: str) -> Row:
        return figure(name, (run[key] / 1000 for run in runs), "µs")

    return [
        microseconds("floor p50: encode and write", "floor p50"),
        microseconds("run.log() p50", "log p50"),
        figure("run.log() p50 by the floor's", (run["ratio"] for run in runs), "×", at_most(2.0), "to become ≤ 1.7"),
        microseconds("tasuki.log() p50", "facade p50"),
        microseconds("run.log() p99", "log p99"),
        microseconds("run.log() p99.9", "log p99.9"),
        microseconds("floor p99.9", "floor p99.9"),
    ]


QUESTION = Question("What does one log() of ten floats cost?", __doc__, measure)
