"""One run of `watchers`: the same calls with the rules and without, in turn, block by block, in one process and one folder."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from types import MethodType
from typing import Any

import tasuki
from benchmarks.child import job, tell
from benchmarks.workload import values
from tasuki.sdk import run as room

CALLS = 500
WARM_UP = 2
RULES: dict[str, dict[str, Any]] = {
    "nan": {},
    "all rules": {"max_value": 1e9, "min_value": -1e9, "spike_factor": 1e9, "patience": 10**9, "mode": "max"},
}

Log = Callable[..., None]


def without_watchers(run: tasuki.Run) -> Log:
    """`run.log` as it would be if there were no watchers: its source without the lines that look for them."""
    lines = inspect.getsource(tasuki.Run.log).splitlines()
    first = next(place for place, line in enumerate(lines) if line.strip() == "watchers = self.watchers")
    found: dict[str, Any] = {}
    exec(compile(inspect.cleandoc("\n".join(["", *lines[:first]])), "log", "exec"), vars(room), found)
    return MethodType(found["log"], run)


def took(log: Log, calls: Iterable[tuple[int, dict[str, float]]]) -> float:
    """The median of a block, in nanoseconds."""
    found = []
    for step, metrics in calls:
        began = perf_counter_ns()
        log(metrics, step=step)
        found.append(perf_counter_ns() - began)
    return median(found)


def measure(folder: Path, blocks: int) -> dict[str, list[float]]:
    """For each block what each way costs more than the call without watchers, in microseconds; and that call itself."""
    metrics = values(CALLS)
    name = next(iter(metrics[0]))

    def run(watched: str | None = None, **rules: Any) -> tasuki.Run:
        made = tasuki.init(project="bench", dir=str(folder))
        if watched is not None:
            made.watch(watched, **rules)
        return made

    tasuki.sdk.process_state.PROCESS.made_current = lambda _: None  # type: ignore[method-assign] # all are open at once
    plain = run()
    ways: dict[str, Log] = {"without": without_watchers(plain), "no watcher": run().log, "another metric": run("other/metric").log}
    ways |= {what: run(name, **rules).log for what, rules in RULES.items()}
    found: dict[str, list[float]] = {what: [] for what in ways}
    for block in range(WARM_UP + blocks):
        calls = list(enumerate(metrics, start=block * CALLS))
        base = took(ways["without"], calls)
        for what, log in ways.items():
            cost = base if what == "without" else took(log, calls) - base
            if block >= WARM_UP:
                found[what].append(cost / 1000)
    return found


if __name__ == "__main__":
    work = job()
    tell(measure(Path(work["folder"]), work["blocks"]))
