"""Any tracker at work: `calls` in a tight loop, `record` and `read` a run, `endless` until it is killed, `count`.

A job is `{"do": …, "tracker": …, "folder": …, "steps": …, "kind": …}`.
"""

import importlib
import os
from pathlib import Path
from time import perf_counter, perf_counter_ns, sleep
from typing import Any

from benchmarks.adapters import Adapter
from benchmarks.child import job, tell
from benchmarks.rows import percentile
from benchmarks.workload import Kind, values

WARM_UP = 100
CYCLE = 1_000
PAUSE_SECONDS = 0.001
LONGEST_SECONDS = 60


def calls(tracker: Adapter, folder: Path, work: dict[str, Any]) -> dict[str, Any]:
    """How long a call takes, in nanoseconds, without the timer."""
    metrics, took, idle = values(work["steps"]), [], []
    tracker.prepare(folder)
    run = tracker.start(folder)
    for step, call in enumerate(metrics):
        began = perf_counter_ns()
        middle = perf_counter_ns()
        run.log(call, step=step)
        took.append(perf_counter_ns() - middle)
        idle.append(middle - began)
    run.finish()
    return {"version": tracker.VERSION, "p50": percentile(took[WARM_UP:], 50) - percentile(idle, 50)}


def record(tracker: Adapter, folder: Path, work: dict[str, Any]) -> dict[str, Any]:
    """Record a run, and ask until all of it is there; seconds, and bytes on the disk."""
    metrics = values(work["steps"], Kind(work["kind"]))
    tracker.prepare(folder)
    began = perf_counter()
    run = tracker.start(folder)
    logging = perf_counter()
    for step, call in enumerate(metrics):
        run.log(call, step=step)
    logged = perf_counter()
    run.finish()
    finished = perf_counter()
    while (found := tracker.count(folder)) < len(metrics):
        if perf_counter() > finished + LONGEST_SECONDS:
            raise SystemExit(f"{found} steps of {len(metrics)} are found")
        sleep(0.01)
    ended = perf_counter()
    times = {"log": logged - logging, "finish": finished - logged, "query": ended - finished, "whole": ended - began}
    return {"version": tracker.VERSION, **times, "bytes": dict(tracker.sizes(folder))}


def read(tracker: Adapter, folder: Path, _: dict[str, Any]) -> dict[str, Any]:
    """Read one metric in each way; how many points came, and in how many milliseconds."""
    points, took = set(), {}
    for way, ask in tracker.READERS.items():
        began = perf_counter()
        points.add(len(ask(folder)))
        took[way] = (perf_counter() - began) * 1000
    return {"points": sorted(points), "milliseconds": took}


def endless(tracker: Adapter, folder: Path, work: dict[str, Any]) -> None:
    """Log about a thousand times a second, and leave a byte in a file for each call that has returned."""
    metrics = values(CYCLE)
    tracker.prepare(folder)
    run = tracker.start(folder)
    acknowledged = os.open(work["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    step = 0
    while True:
        run.log(metrics[step % CYCLE], step=step)
        os.write(acknowledged, b".")
        step += 1
        sleep(PAUSE_SECONDS)


def count(tracker: Adapter, folder: Path, _: dict[str, Any]) -> dict[str, Any]:
    """How many steps are found."""
    return {"version": tracker.VERSION, "steps": tracker.count(folder)}


if __name__ == "__main__":
    work = job()
    adapter: Any = importlib.import_module(f"benchmarks.adapters.{work['tracker']}")
    tell(
        {"calls": calls, "record": record, "read": read, "endless": endless, "count": count}[work["do"]](
            adapter, Path(work["folder"]), work
        )
    )
