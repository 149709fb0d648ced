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

from benchmarks.child import answer_of, start, stop
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_least, at_most, exactly, figure, percentile
from benchmarks.workload import values
from tasuki.settings import Settings, load
from tasuki.store import open_local

__all__ = ["QUESTION", "measure"]

PROCESSES = 8
CALLS_PER_SECOND = 300
HELD_SECONDS = 2.0
START_SECONDS = 2.5


class Outcome(NamedTuple):
    """One run: how long each call took (ms), those during the lock, the slowest process's pace, calls that are not stored once."""

    took: list[float]
    took_in_lock: list[float]
    rate: float
    missing: int


def measure(size: Size) -> list[Row]:
    """Percentiles with and without the lock, and what was lost."""
    free: list[Outcome] = []
    held: list[Outcome] = []
    for number in range(size.runs):
        for lock in (False, True) if number % 2 == 0 else (True, False):
            with folder() as path:
                (held if lock else free).append(one_run(path, size.seconds, lock=lock))
    tail, tail_held = ([percentile(run.took, 99.9) for run in runs] for runs in (free, held))
    added = [with_lock - without for with_lock, without in zip(tail_held, tail, strict=True)]
    everything = [*free, *held]
    calls = f"of {sum(len(run.took) for run in everything):,} calls"
    return [
        figure("log() p50", (percentile(run.took, 50) for run in free), "ms"),
        figure("log() p99", (percentile(run.took, 99) for run in free), "ms"),
        figure("log() p99.9", tail, "ms", at_most(1.0)),
        figure("log() p99.9, lock held for 2 s", tail_held, "ms", at_most(1.0)),
        figure("added by the lock, p99.9", added, "ms", note="of pairs; below 0: chance"),
        figure("slowest call", (max(run.took) for run in free), "ms"),
        figure("slowest call while the lock is held", (max(run.took_in_lock) for run in held), "ms", at_most(100.0)),
        figure("calls per second, slowest process", (run.rate for run in everything), "1/s", at_least(CALLS_PER_SECOND * 0.98)),
        figure("calls lost or doubled", [sum(run.missing for run in everything)], "", exactly(0), calls),
    ]


def one_run(path: Path, seconds: float, *, lock: bool) -> Outcome:
    """All processes, from a common moment on; then what the store has of them."""
    settings = load(environment={}, dir=str(path / "data"))
    calls = int(seconds * CALLS_PER_SECOND)
    began = monotonic() + START_SECONDS
    with open_local(settings) as store:
        store.projects()
        place = str(store.path)
    work = {"folder": str(settings.dir), "calls": calls, "rate": CALLS_PER_SECOND}
    children = []
    for number in range(PROCESSES):
        moment = began + number / PROCESSES / CALLS_PER_SECOND
        children.append(start("benchmarks.children.paced", {**work, "name": f"process-{number}", "start": moment}))
    middle = {"store": place, "start": began, "after": (seconds - HELD_SECONDS) / 2, "seconds": HELD_SECONDS}
    holder = start("benchmarks.children.lock_holder", middle) if lock else None
    try:
        answers = [answer_of(child) for child in children]
        time_held = answer_of(holder) if holder else {"taken": 0.0, "released": 0.0}
    finally:
        stop([*children, *([holder] if holder else [])])
    took = [(at, ns / 1e6) for answer in answers for at, ns in zip(answer["began"], answer["took"], strict=True)]
    return Outcome(
        took=[ms for _, ms in took],
        took_in_lock=[ms for at, ms in took if time_held["taken"] <= at <= time_held["released"]],
        rate=min(calls / answer["ended"] for answer in answers),
        missing=missing(settings, calls),
    )


def missing(settings: Settings, calls: int) -> int:
    """How many calls the store does not have once, each with all its values at its step."""
    expected = {step: metrics for step, metrics in enumerate(values(calls))}
    with open_local(settings, wait_seconds=None) as store:
        rows = [store.history("bench", run.id) for run in store.runs("bench")]
    right = sum(len({row.step for row in run if row.metrics == expected.get(row.step)}) for run in rows)
    doubled = sum(len(run) for run in rows) - right
    return PROCESSES * calls - right + doubled


QUESTION = Question("Do many processes, or a held lock, slow log() down?", __doc__, measure)
