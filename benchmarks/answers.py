"""How fast are the answers: the best runs, runs side by side, a whole project?

First twenty runs of ten metrics and 1000 steps, recorded by `init`, `log` and `finish` of each tracker. They are compared (the
last value of each metric of each run) by `tasuki.sdk.query.comparison.build_comparison`, as a server asks its store, and by reading
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

from benchmarks.child import run_child, run_command
from benchmarks.machine import temporary_folder
from benchmarks.peer import PeerUnavailable, install_peer
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_least, at_most, build_row, build_skipped_row, compute_ratios

__all__ = ["BENCHMARK", "measure"]

CHILD_MODULE = "benchmarks.children.answering"
REPETITIONS = 9
COMPARED_RUNS = 20
STEPS = 1_000
METRICS, MANY_METRICS, FEW_STEPS = 10, 50, 100
TASUKI_COMMAND = str(Path(sys.executable).with_name("tasuki"))


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Milliseconds in the store, beside trackio; the commands' seconds."""
    rows = measure_few_runs(size)
    runs = min(1_000, max(size.run_counts))
    with temporary_folder() as path:
        work = build_job(path, "tasuki", runs=runs, metrics=MANY_METRICS, steps=FEW_STEPS)
        run_child(CHILD_MODULE, {"do": "record", **work})
        found = [run_child(CHILD_MODULE, {"do": "answers", **work}) for _ in range(size.runs)]
        rows += [
            build_row(f"{what}, {runs:,} runs × {MANY_METRICS} metrics", (run[what] for run in found), "ms", at_most(25))
            for what in found[0]
        ]
        named = [f"run-{number:04}" for number in range(min(COMPARED_RUNS, runs))]
        for what, words in {"compare": named, "best": ["train/metric_0"], "summary": []}.items():
            seconds = measure_command(path, [what, *words], size.starts)
            rows.append(build_row(f"tasuki {what} of {runs:,} runs, the command", seconds, "s", at_most(0.5)))
    return rows


def measure_few_runs(size: BenchmarkSize) -> list[ResultRow]:
    """Twenty runs side by side, ours and trackio's."""
    shape = {"runs": COMPARED_RUNS, "metrics": METRICS, "steps": STEPS if size.name != "tiny" else 20}
    with temporary_folder() as path:
        work = build_job(path, "tasuki", **shape)
        run_child(CHILD_MODULE, {"do": "record", **work})
        ours = [run_child(CHILD_MODULE, {"do": "answers", **work})["compare"] for _ in range(size.runs)]
        named = [f"run-{number:04}" for number in range(COMPARED_RUNS)]
        command = measure_command(path, ["compare", *named], size.starts)
    label = f"{COMPARED_RUNS} runs × {METRICS} metrics × {shape['steps']:,} steps"
    rows = [
        build_row(f"compare {label}", ours, "ms"),
        build_row("tasuki compare, the command", command, "s", at_most(0.3)),
    ]
    return rows + measure_trackio(size, shape, label, ours)


def measure_trackio(size: BenchmarkSize, shape: dict[str, int], label: str, ours: Sequence[float]) -> list[ResultRow]:
    """The same of trackio's rows."""
    try:
        trackio = install_peer("trackio")
    except PeerUnavailable as error:
        return [build_skipped_row("trackio", "", str(error))]
    with temporary_folder() as path:
        how: dict[str, Any] = {"python": trackio.python, "extra": trackio.build_variables(path)}
        work = build_job(path, "trackio", **shape)
        version = run_child(CHILD_MODULE, {"do": "record", **work}, **how)["version"]
        theirs = [run_child(CHILD_MODULE, {"do": "compare", **work}, **how)["milliseconds"] for _ in range(size.runs)]
    bar = at_least(50) if size.name != "tiny" else None
    return [
        build_row(f"trackio {version}, {label}", theirs, "ms"),
        build_row("trackio comparing, by ours", compute_ratios(theirs, ours), "×", bar),
    ]


def build_job(path: Path, tracker: str, **shape: int) -> dict[str, Any]:
    """What a child has to know."""
    return {"tracker": tracker, "folder": str(path), "times": REPETITIONS, **shape}


def measure_command(path: Path, words: Sequence[str], starts: int) -> list[float]:
    """Whole processes, after one that is not counted."""
    took = []
    for _ in range(starts + 1):
        began = perf_counter()
        run_command([TASUKI_COMMAND, *words, "--project", "bench"], variables={"TASUKI_DIR": str(path)})
        took.append(perf_counter() - began)
    return took[1:]


BENCHMARK = Benchmark("How fast are the answers in one command?", __doc__, measure)
