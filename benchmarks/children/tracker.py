"""Any tracker at work: `calls` in a tight loop, `record` and `read` a run, `endless` until it is killed, `count`.

A job is `{"do": …, "tracker": …, "folder": …, "steps": …, "kind": …}`.
"""

import importlib
import os
from pathlib import Path
from time import perf_counter, perf_counter_ns, sleep
from typing import Any

from benchmarks.adapters import Adapter
from benchmarks.child import print_result, read_job
from benchmarks.rows import compute_percentile
from benchmarks.workload import Precision, build_calls

WARM_UP_CALLS = 100
CYCLE_STEPS = 1_000
PAUSE_SECONDS = 0.001
TIMEOUT_SECONDS = 60


def time_calls(tracker: Adapter, folder: Path, work: dict[str, Any]) -> dict[str, Any]:
    """How long a call takes, in nanoseconds, without the timer."""
    metrics, took, idle = build_calls(work["steps"]), [], []
    tracker.prepare(folder)
    run = tracker.start(folder)
    for step, call in enumerate(metrics):
        began = perf_counter_ns()
        middle = perf_counter_ns()
        run.log(call, step=step)
        took.append(perf_counter_ns() - middle)
        idle.append(middle - began)
    run.finish()
    return {"version": tracker.VERSION, "p50": compute_percentile(took[WARM_UP_CALLS:], 50) - compute_percentile(idle, 50)}


def record_run(tracker: Adapter, folder: Path, work: dict[str, Any]) -> dict[str, Any]:
    """Record a run, and ask until all of it is there; seconds, and bytes on the disk."""
    metrics = build_calls(work["steps"], Precision(work["kind"]))
    tracker.prepare(folder)
    began = perf_counter()
    run = tracker.start(folder)
    logging = perf_counter()
    for step, call in enumerate(metrics):
        run.log(call, step=step)
    logged = perf_counter()
    run.finish()
    finished = perf_counter()
    while (found := tracker.count_steps(folder)) < len(metrics):
        if perf_counter() > finished + TIMEOUT_SECONDS:
            raise SystemExit(f"{found} steps of {len(metrics)} are found")
        sleep(0.01)
    ended = perf_counter()
    times = {"log": logged - logging, "finish": finished - logged, "query": ended - finished, "whole": ended - began}
    return {"version": tracker.VERSION, **times, "bytes": dict(tracker.measure_sizes(folder))}


def read_metric(tracker: Adapter, folder: Path, _: dict[str, Any]) -> dict[str, Any]:
    """Read one metric in each way; how many points came, and in how many milliseconds."""
    points, took = set(), {}
    for way, ask in tracker.READERS.items():
        began = perf_counter()
        points.add(len(ask(folder)))
        took[way] = (perf_counter() - began) * 1000
    return {"points": sorted(points), "milliseconds": took}


def log_endlessly(tracker: Adapter, folder: Path, work: dict[str, Any]) -> None:
    """Log about a thousand times a second, and leave a byte in a file for each call that has returned."""
    metrics = build_calls(CYCLE_STEPS)
    tracker.prepare(folder)
    run = tracker.start(folder)
    acknowledged = os.open(work["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    step = 0
    while True:
        run.log(metrics[step % CYCLE_STEPS], step=step)
        os.write(acknowledged, b".")
        step += 1
        sleep(PAUSE_SECONDS)


def count_steps(tracker: Adapter, folder: Path, _: dict[str, Any]) -> dict[str, Any]:
    """How many steps are found."""
    return {"version": tracker.VERSION, "steps": tracker.count_steps(folder)}


if __name__ == "__main__":
    work = read_job()
    adapter: Any = importlib.import_module(f"benchmarks.adapters.{work['tracker']}")
    print_result(
        {"calls": time_calls, "record": record_run, "read": read_metric, "endless": log_endlessly, "count": count_steps}[
            work["do"]
        ](adapter, Path(work["folder"]), work)
    )
