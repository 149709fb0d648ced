"""One run of `log_call`: the floor, `run.log()` and `tasuki.log()` in turn, block by block, in one process and one folder."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

import msgspec

import tasuki
from benchmarks.child import job, tell
from benchmarks.rows import percentile
from benchmarks.workload import values

CALLS = 500
WARM_UP = 2

Values = dict[str, float]


def timer(calls: Iterable[tuple[int, Values]]) -> list[int]:
    """What the timing itself takes."""
    took = []
    for _step, _metrics in calls:
        began = perf_counter_ns()
        took.append(perf_counter_ns() - began)
    return took


def floor(calls: Iterable[tuple[int, Values]], encode: Callable[[Any], bytes], file: int) -> list[int]:
    """The least that one call can do: encode the same record, write the bytes."""
    took = []
    write = os.write
    for step, metrics in calls:
        began = perf_counter_ns()
        write(file, encode(("metrics", 1_700_000_000_000_000, step, metrics)))
        took.append(perf_counter_ns() - began)
    return took


def run_log(calls: Iterable[tuple[int, Values]], run: tasuki.Run) -> list[int]:
    """`run.log()`."""
    took = []
    for step, metrics in calls:
        began = perf_counter_ns()
        run.log(metrics, step=step)
        took.append(perf_counter_ns() - began)
    return took


def facade_log(calls: Iterable[tuple[int, Values]]) -> list[int]:
    """`tasuki.log()`."""
    took = []
    for step, metrics in calls:
        began = perf_counter_ns()
        tasuki.log(metrics, step=step)
        took.append(perf_counter_ns() - began)
    return took


def measure(folder: Path, blocks: int) -> dict[str, float]:
    """The figures of one run, in nanoseconds without the timer; ratios are medians over neighbouring blocks."""
    metrics = values(CALLS)
    first: list[tuple[int, Values]] = []
    second: list[tuple[int, Values]] = []
    encode = msgspec.msgpack.Encoder().encode
    file = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    run = tasuki.init(project="bench", dir=str(folder / "data"))
    ways: dict[str, Callable[[], list[int]]] = {
        "floor": lambda: floor(first, encode, file),
        "log": lambda: run_log(first, run),
        "facade": lambda: facade_log(second),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    middles: dict[str, list[float]] = {name: [] for name in ways}
    for block in range(WARM_UP + blocks):
        first[:] = enumerate(metrics, start=2 * block * CALLS)
        second[:] = enumerate(metrics, start=(2 * block + 1) * CALLS)
        idle = median(timer(first))
        for name, way in ways.items():
            block_took = [call - idle for call in way()]
            if block >= WARM_UP:
                took[name] += block_took
                middles[name].append(median(block_took))
    run.finish()
    answer = {"ratio": median(ours / least for ours, least in zip(middles["log"], middles["floor"], strict=True))}
    for name in ways:
        answer |= {f"{name} p{percent}": percentile(took[name], percent) for percent in (50, 99, 99.9)}
    return answer


if __name__ == "__main__":
    work = job()
    tell(measure(Path(work["folder"]), work["blocks"]))
