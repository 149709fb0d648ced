"""One run of `log_call`: the floor, `run.log()` and `tasuki.log()` in turn, block by block, in one process and one folder."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

import msgspec

import tasuki
from benchmarks.child import print_result, read_job
from benchmarks.rows import compute_percentile
from benchmarks.workload import build_calls

CALLS_PER_BLOCK = 500
WARM_UP_BLOCKS = 2

Values = dict[str, float]


def time_timer(calls: Iterable[tuple[int, Values]]) -> list[int]:
    """What the timing itself takes."""
    took = []
    for _step, _metrics in calls:
        began = perf_counter_ns()
        took.append(perf_counter_ns() - began)
    return took


def time_floor(calls: Iterable[tuple[int, Values]], encode: Callable[[Any], bytes], file: int) -> list[int]:
    """The least that one call can do: encode the same record, write the bytes."""
    took = []
    write = os.write
    for step, metrics in calls:
        began = perf_counter_ns()
        write(file, encode(("metrics", 1_700_000_000_000_000, step, metrics)))
        took.append(perf_counter_ns() - began)
    return took


def time_run_log(calls: Iterable[tuple[int, Values]], run: tasuki.Run) -> list[int]:
    """`run.log()`."""
    took = []
    for step, metrics in calls:
        began = perf_counter_ns()
        run.log(metrics, step=step)
        took.append(perf_counter_ns() - began)
    return took


def time_module_log(calls: Iterable[tuple[int, Values]]) -> list[int]:
    """`tasuki.log()`."""
    took = []
    for step, metrics in calls:
        began = perf_counter_ns()
        tasuki.log(metrics, step=step)
        took.append(perf_counter_ns() - began)
    return took


def measure(folder: Path, blocks: int) -> dict[str, float]:
    """The figures of one run, in nanoseconds without the timer; ratios are medians over neighbouring blocks."""
    metrics = build_calls(CALLS_PER_BLOCK)
    first: list[tuple[int, Values]] = []
    second: list[tuple[int, Values]] = []
    encode = msgspec.msgpack.Encoder().encode
    file = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    run = tasuki.init(project="bench", dir=str(folder / "data"))
    ways: dict[str, Callable[[], list[int]]] = {
        "floor": lambda: time_floor(first, encode, file),
        "log": lambda: time_run_log(first, run),
        "facade": lambda: time_module_log(second),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    middles: dict[str, list[float]] = {name: [] for name in ways}
    for block in range(WARM_UP_BLOCKS + blocks):
        first[:] = enumerate(metrics, start=2 * block * CALLS_PER_BLOCK)
        second[:] = enumerate(metrics, start=(2 * block + 1) * CALLS_PER_BLOCK)
        idle = median(time_timer(first))
        for name, way in ways.items():
            block_took = [call - idle for call in way()]
            if block >= WARM_UP_BLOCKS:
                took[name] += block_took
                middles[name].append(median(block_took))
    run.finish()
    answer = {"ratio": median(ours / least for ours, least in zip(middles["log"], middles["floor"], strict=True))}
    for name in ways:
        answer |= {f"{name} p{percent}": compute_percentile(took[name], percent) for percent in (50, 99, 99.9)}
    return answer


if __name__ == "__main__":
    work = read_job()
    print_result(measure(Path(work["folder"]), work["blocks"]))
