"""How fast are the answers: the best runs, runs side by side, a whole project?

First twenty runs of ten metrics and 1000 steps, recorded by `init`, `log` and `finish` of each tracker. They are compared (the
last value of each metric of each run) by `tasuki.sdk.query.comparison.compare`, as a server asks its store, and by reading
trackio's rows, which is the only way that its API has; each in a process of its own, the median of nine after one that is not
counted. Then the whole command `tasuki compare`, from start to end. Then a thousand runs of fifty metrics and 100 steps,
recorded the same way: the best ten by a metric, twenty runs side by side, the summary of the project, in the store and as whole
commands.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.child import ask, succeed
from benchmarks.machine import folder
from benchmarks.peer import PeerMissing, peer
from benchmarks.rows import Question, Row, Size, at_least, at_most, figure, left_out, ratios

__all__ = ["QUESTION", "measure"]

CHILD = "benchmarks.children.answering"
TIMES = 9
COMPARED = 20
STEPS = 1_000
METRICS, MANY_METRICS, FEW_STEPS = 10, 50, 100
TASUKI = str(Path(sys.executable).with_name("tasuki"))


def measure(size: Size) -> list[Row]:
    """Milliseconds in the store, beside trackio; the commands' seconds."""
    rows = few(size)
    runs = min(1_000, max(size.runs_there))
    with folder() as path:
        work = job(path, "tasuki", runs=runs, metrics=MANY_METRICS, steps=FEW_STEPS)
        ask(CHILD, {"do": "record", **work})
        found = [ask(CHILD, {"do": "answers", **work}) for _ in range(size.runs)]
        rows += [
            figure(f"{what}, {runs:,} runs × {MANY_METRICS} metrics", (run[what] for run in found), "ms", at_most(25))
            for what in found[0]
        ]
        named = [f"run-{number:04}" for number in range(min(COMPARED, runs))]
        for what, words in {"compare": named, "best": ["train/metric_0"], "summary": []}.items():
            seconds = command_seconds(path, [what, *words], size.starts)
            rows.append(figure(f"tasuki {what} of {runs:,} runs, the command", seconds, "s", at_most(0.5)))
    return rows


def few(size: Size) -> list[Row]:
    """Twenty runs side by side, ours and trackio's."""
    shape = {"runs": COMPARED, "metrics": METRICS, "steps": STEPS if size.name != "tiny" else 20}
    with folder() as path:
        work = job(path, "tasuki", **shape)
        ask(CHILD, {"do": "record", **work})
        ours = [ask(CHILD, {"do": "answers", **work})["compare"] for _ in range(size.runs)]
        named = [f"run-{number:04}" for number in range(COMPARED)]
        command = command_seconds(path, ["compare", *named], size.starts)
    label = f"{COMPARED} runs × {METRICS} metrics × {shape['steps']:,} steps"
    rows = [
        figure(f"compare {label}", ours, "ms"),
        figure("tasuki compare, the command", command, "s", at_most(0.3)),
    ]
    return rows + beside_trackio(size, shape, label, ours)


def beside_trackio(size: Size, shape: dict[str, int], label: str, ours: Sequence[float]) -> list[Row]:
    """The same of trackio's rows."""
    try:
        trackio = peer("trackio")
    except PeerMissing as error:
        return [left_out("trackio", "", str(error))]
    with folder() as path:
        how: dict[str, Any] = {"python": trackio.python, "extra": trackio.extra(path)}
        work = job(path, "trackio", **shape)
        version = ask(CHILD, {"do": "record", **work}, **how)["version"]
        theirs = [ask(CHILD, {"do": "compare", **work}, **how)["milliseconds"] for _ in range(size.runs)]
    bar = at_least(50) if size.name != "tiny" else None
    return [
        figure(f"trackio {version}, {label}", theirs, "ms"),
        figure("trackio comparing, by ours", ratios(theirs, ours), "×", bar),
    ]


def job(path: Path, tracker: str, **shape: int) -> dict[str, Any]:
    """What a child has to know."""
    return {"tracker": tracker, "folder": str(path), "times": TIMES, **shape}


def command_seconds(path: Path, words: Sequence[str], starts: int) -> list[float]:
    """Whole processes, after one that is not counted."""
    took = []
    for _ in range(starts + 1):
        began = perf_counter()
        succeed([TASUKI, *words, "--project", "bench"], extra={"TASUKI_DIR": str(path)})
        took.append(perf_counter() - began)
    return took[1:]


QUESTION = Question("How fast are the answers in one command?", __doc__, measure)
