"""Do many processes, or somebody who holds the store's lock, slow log() down?

8 processes log ten floats 300 times a second each into one project, for the run's length, each at its own moments; between
calls they sleep. A call's time is what `run.log()` takes, a process switch in its middle included; percentiles are over the calls
of all processes. Each run is done twice, in changing order: undisturbed, and with one more process that holds the store's write
lock (`BEGIN IMMEDIATE`) for 2 s in the middle. A call that waited for the lock would take up to 2,000 ms. Afterwards the store is
asked for every step of every process.
"""

from pathlib import Path
from time import monotonic
from typing import NamedTuple

from benchmarks.child import start_child, stop_children, wait_for_result
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_least, at_most, build_row, compute_percentile, exactly
from benchmarks.workload import build_calls
from tasuki.settings import Settings, load
from tasuki.store import open_folder_store

__all__ = ["BENCHMARK", "measure"]

PROCESS_COUNT = 8
CALLS_PER_SECOND = 300
LOCK_SECONDS = 2.0
START_DELAY_SECONDS = 2.5


class Outcome(NamedTuple):
    """One run: how long each call took (ms), those during the lock, the slowest process's pace, calls that are not stored once."""

    call_milliseconds: list[float]
    locked_call_milliseconds: list[float]
    rate: float
    missing: int


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Percentiles with and without the lock, and what was lost."""
    free: list[Outcome] = []
    held: list[Outcome] = []
    for number in range(size.runs):
        for lock in (False, True) if number % 2 == 0 else (True, False):
            with temporary_folder() as path:
                (held if lock else free).append(run_processes(path, size.seconds, with_lock=lock))
    tail, tail_held = ([compute_percentile(run.call_milliseconds, 99.9) for run in runs] for runs in (free, held))
    added = [with_lock - without for with_lock, without in zip(tail_held, tail, strict=True)]
    everything = [*free, *held]
    calls = f"of {sum(len(run.call_milliseconds) for run in everything):,} calls"
    return [
        build_row("log() p50", (compute_percentile(run.call_milliseconds, 50) for run in free), "ms"),
        build_row("log() p99", (compute_percentile(run.call_milliseconds, 99) for run in free), "ms"),
        build_row("log() p99.9", tail, "ms", at_most(1.0)),
        build_row("log() p99.9, lock held for 2 s", tail_held, "ms", at_most(1.0)),
        build_row("added by the lock, p99.9", added, "ms", note="of pairs; below 0: chance"),
        build_row("slowest call", (max(run.call_milliseconds) for run in free), "ms"),
        build_row("slowest call while the lock is held", (max(run.locked_call_milliseconds) for run in held), "ms", at_most(100.0)),
        build_row("calls per second, slowest process", (run.rate for run in everything), "1/s", at_least(CALLS_PER_SECOND * 0.98)),
        build_row("calls lost or doubled", [sum(run.missing for run in everything)], "", exactly(0), calls),
    ]


def run_processes(path: Path, seconds: float, *, with_lock: bool) -> Outcome:
    """All processes, from a common moment on; then what the store has of them."""
    settings = load(environment={}, dir=str(path / "data"))
    calls = int(seconds * CALLS_PER_SECOND)
    began = monotonic() + START_DELAY_SECONDS
    with open_folder_store(settings) as store:
        store.projects()
        place = str(store.path)
    work = {"folder": str(settings.dir), "calls": calls, "rate": CALLS_PER_SECOND}
    children = []
    for number in range(PROCESS_COUNT):
        moment = began + number / PROCESS_COUNT / CALLS_PER_SECOND
        children.append(start_child("benchmarks.children.paced", {**work, "name": f"process-{number}", "start": moment}))
    middle = {"store": place, "start": began, "after": (seconds - LOCK_SECONDS) / 2, "seconds": LOCK_SECONDS}
    holder = start_child("benchmarks.children.lock_holder", middle) if with_lock else None
    try:
        answers = [wait_for_result(child) for child in children]
        time_held = wait_for_result(holder) if holder else {"taken": 0.0, "released": 0.0}
    finally:
        stop_children([*children, *([holder] if holder else [])])
    took = [(at, ns / 1e6) for answer in answers for at, ns in zip(answer["began"], answer["took"], strict=True)]
    return Outcome(
        call_milliseconds=[ms for _, ms in took],
        locked_call_milliseconds=[ms for at, ms in took if time_held["taken"] <= at <= time_held["released"]],
        rate=min(calls / answer["ended"] for answer in answers),
        missing=count_missing(settings, calls),
    )


def count_missing(settings: Settings, calls: int) -> int:
    """How many calls the store does not have once, each with all its values at its step."""
    expected = {step: metrics for step, metrics in enumerate(build_calls(calls))}
    with open_folder_store(settings, wait_seconds=None) as store:
        rows = [store.history("bench", run.id) for run in store.runs("bench")]
    right = sum(len({row.step for row in run if row.metrics == expected.get(row.step)}) for run in rows)
    doubled = sum(len(run) for run in rows) - right
    return PROCESS_COUNT * calls - right + doubled


BENCHMARK = Benchmark("Do many processes, or a held lock, slow log() down?", __doc__, measure)
