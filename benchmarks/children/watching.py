"""One run of `watchers`: the same calls with the rules and without, in turn, block by block, in one process and one folder."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from types import MethodType
from typing import Any

import tasuki
from benchmarks.child import print_result, read_job
from benchmarks.workload import build_calls
from tasuki.sdk import run as room

CALLS_PER_BLOCK = 500
WARM_UP_BLOCKS = 2
RULES: dict[str, dict[str, Any]] = {
    "nan": {},
    "all rules": {"max_value": 1e9, "min_value": -1e9, "spike_factor": 1e9, "patience": 10**9, "mode": "max"},
}

Log = Callable[..., None]


def build_log_without_watchers(run: tasuki.Run) -> Log:
    """`run.log` as it would be if there were no watchers: its source without the lines that look for them."""
    lines = inspect.getsource(tasuki.Run.log).splitlines()
    first = next(place for place, line in enumerate(lines) if line.strip() == "watchers = self.watchers")
    found: dict[str, Any] = {}
    exec(compile(inspect.cleandoc("\n".join(["", *lines[:first]])), "log", "exec"), vars(room), found)
    return MethodType(found["log"], run)


def time_block(log: Log, calls: Iterable[tuple[int, dict[str, float]]]) -> float:
    """The median of a block, in nanoseconds."""
    found = []
    for step, metrics in calls:
        began = perf_counter_ns()
        log(metrics, step=step)
        found.append(perf_counter_ns() - began)
    return median(found)


def measure(folder: Path, blocks: int) -> dict[str, list[float]]:
    """For each block what each way costs more than the call without watchers, in microseconds; and that call itself."""
    metrics = build_calls(CALLS_PER_BLOCK)
    name = next(iter(metrics[0]))

    def start_run(watched: str | None = None, **rules: Any) -> tasuki.Run:
        made = tasuki.init(project="bench", dir=str(folder))
        if watched is not None:
            made.watch(watched, **rules)
        return made

    tasuki.sdk.process_state.PROCESS.set_current_run = lambda _: None  # type: ignore[method-assign] # all are open at once
    plain = start_run()
    ways: dict[str, Log] = {
        "without": build_log_without_watchers(plain),
        "no watcher": start_run().log,
        "another metric": start_run("other/metric").log,
    }
    ways |= {what: start_run(name, **rules).log for what, rules in RULES.items()}
    found: dict[str, list[float]] = {what: [] for what in ways}
    for block in range(WARM_UP_BLOCKS + blocks):
        calls = list(enumerate(metrics, start=block * CALLS_PER_BLOCK))
        base = time_block(ways["without"], calls)
        for what, log in ways.items():
            cost = base if what == "without" else time_block(log, calls) - base
            if block >= WARM_UP_BLOCKS:
                found[what].append(cost / 1000)
    return found


if __name__ == "__main__":
    work = read_job()
    print_result(measure(Path(work["folder"]), work["blocks"]))
