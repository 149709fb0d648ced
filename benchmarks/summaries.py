"""How fast are the tables of a thousand runs?

1000 runs of 50 metrics each are received and projected beforehand. In a process of its own, after one that is not counted, each
run the median of nine: the summaries of all runs and metrics, and the list of all runs, as a server asks its
store (its projector has caught up), and as `Api` does, which first looks for new records. Then `tasuki run list` as a command, the
whole process.
"""

import sys
from pathlib import Path
from time import perf_counter

from benchmarks.child import ask, succeed
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure

__all__ = ["QUESTION", "measure"]

METRICS = 50
TIMES = 9
TASUKI = str(Path(sys.executable).with_name("tasuki"))


def measure(size: Size) -> list[Row]:
    """Milliseconds, and the command's seconds."""
    runs = min(1_000, max(size.runs_there))
    with folder() as path:
        ask(
            "benchmarks.children.receiver",
            {"do": "fill", "folder": str(path), "first": 0, "runs": runs, "metrics": METRICS, "steps": 2},
        )
        answers = [
            ask("benchmarks.children.reader", {"do": "tables", "folder": str(path), "times": TIMES}) for _ in range(size.runs)
        ]
        command = [command_seconds(path) for _ in range(size.starts + 1)][1:]
    return [
        figure(f"summaries of {runs:,} runs × {METRICS} metrics", (run["summaries"] for run in answers), "ms", at_most(25)),
        figure(f"list of {runs:,} runs", (run["runs"] for run in answers), "ms", at_most(5)),
        figure("summaries, by Api", (run["summaries by Api"] for run in answers), "ms"),
        figure("list, by Api", (run["runs by Api"] for run in answers), "ms"),
        figure("tasuki run list, the command", command, "s", at_most(0.3)),
    ]


def command_seconds(path: Path) -> float:
    """The whole process."""
    began = perf_counter()
    succeed([TASUKI, "run", "list"], extra={"TASUKI_DIR": str(path)})
    return perf_counter() - began


QUESTION = Question("How fast are the tables of a thousand runs?", __doc__, measure)
