"""What does one log() of ten floats cost?

Each run is a process that calls in blocks of 500, in turn: nothing (the timer), the floor, `run.log(metrics, step=…)` and
`tasuki.log(…)`. The floor is the least that can be done: msgspec encodes the same record, `os.write` writes those bytes to an
O_APPEND file in the same folder. Every call is timed by `perf_counter_ns` on all sides alike, and the timer's own median is taken
off. The ratio compares neighbouring blocks, so that a machine that slows down for a while slows both. Percentiles are over all
calls of a run; the journal's once-a-second sync to the disk is among them, the floor has none.

Beside the peers: each in a process of its own, a tight loop of as many calls as it makes in seconds, the first 100 not
counted; one run of each tracker after the other, every other time the other way round.
"""

from typing import Any

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.peer import OURS, trackers
from benchmarks.rows import Question, Row, Size, at_least, at_most, figure, in_turn, not_installed, ratios

__all__ = ["QUESTION", "measure"]

BARS = {"trackio": at_least(10)}


def measure(size: Size) -> list[Row]:
    """The floor, our calls, and the ratios."""
    return [*beside_the_floor(size), *beside_the_peers(size)]


def beside_the_floor(size: Size) -> list[Row]:
    """Our calls and the least that they could take."""
    runs = []
    for _ in range(size.runs):
        with folder() as path:
            runs.append(ask("benchmarks.children.tight_loop", {"folder": str(path), "blocks": size.blocks}))

    def microseconds(name: str, key: str) -> Row:
        return figure(name, (run[key] / 1000 for run in runs), "µs")

    return [
        microseconds("floor p50: encode and write", "floor p50"),
        microseconds("run.log() p50", "log p50"),
        figure("run.log() p50 by the floor's", (run["ratio"] for run in runs), "×", at_most(1.7)),
        microseconds("tasuki.log() p50", "facade p50"),
        microseconds("run.log() p99", "log p99"),
        microseconds("run.log() p99.9", "log p99.9"),
        microseconds("floor p99.9", "floor p99.9"),
    ]


def beside_the_peers(size: Size) -> list[Row]:
    """Each tracker in a tight loop."""
    found, missing = trackers(size.peers)
    answers: dict[str, list[dict[str, Any]]] = {tracker.name: [] for tracker in found}
    for number in range(size.runs):
        for tracker in in_turn(found, number):
            with folder() as path:
                answers[tracker.name].append(tracker.ask("calls", path, steps=min(tracker.calls, 200 * size.blocks)))
    took = {name: [run["p50"] / 1000 for run in runs] for name, runs in answers.items()}
    rows = [figure(f"log() p50, {name} {answers[name][0]['version']}", runs, "µs") for name, runs in took.items()]
    rows += [
        figure(f"{name} log() p50, by ours", ratios(runs, took[OURS.name]), "×", BARS.get(name))
        for name, runs in took.items()
        if name != OURS.name
    ]
    return [*rows, *not_installed(missing)]


QUESTION = Question("What does one log() of ten floats cost?", __doc__, measure)
