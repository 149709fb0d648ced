"""A receiver of streams without a network, on one core: `bulk`, `many` writers, `live` cadence; `fill` a folder with runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.adapters import sum_file_sizes
from benchmarks.child import print_result, read_job
from benchmarks.streams import PROJECT, START_US, build_metric_names, iter_calls, iter_items
from benchmarks.workload import METRICS, Precision
from tasuki.records import Item, ReplyStatus
from tasuki.settings import load
from tasuki.store import RAW_FILE, LocalStore, RawStore, open_folder_store

LIVE_RECORDS = 10
LIVE_ITEMS_PER_ROUND = 10
ITEMS_PER_COMMIT = 100
MAX_SHORT_STEPS = 10
GOLDEN_RATIO = 0.618033988749895


def store_batch(raw: RawStore, batch: Sequence[Item]) -> None:
    """One durable commit."""
    if any(reply.status is not ReplyStatus.STORED for reply in raw.append(batch)):
        raise SystemExit("an item was not stored")


def store_and_project(
    work: dict[str, Any], rounds: Sequence[Sequence[Item]], points: int, should_catch_up: Callable[[int, float, float], bool]
) -> dict[str, float]:
    """Store rounds until `enough(rounds, seconds, seconds of the last catch-up)`, then catch up, and so on; seconds of each."""
    storing = projecting = longest = last = 0.0
    waiting = iter(rounds)
    with open_stores(work) as (store, raw):
        store.project_all(seal_dead_writers=False)
        while True:
            began, stored = perf_counter(), 0
            for batch in waiting:
                store_batch(raw, batch)
                stored += 1
                if should_catch_up(stored, perf_counter() - began, last):
                    break
            if not stored:
                break
            middle = perf_counter()
            store.project_all(seal_dead_writers=False)
            last = perf_counter() - middle
            storing, projecting, longest = storing + middle - began, projecting + last, max(longest, perf_counter() - began)
        check_points(store, points)
    return {"points": points, "store": storing, "project": projecting, "lag": longest}


@contextmanager
def open_stores(work: dict[str, Any]) -> Iterator[tuple[LocalStore, RawStore]]:
    """The folder's store and its raw store, which has to be there first."""
    settings = load(environment={}, dir=work["folder"])
    with closing(RawStore(Path(work["folder"]) / RAW_FILE)) as raw, open_folder_store(settings, wait_seconds=None) as store:
        yield store, raw


def check_points(store: LocalStore, points: int) -> None:
    """All of them can be asked for."""
    if (found := sum(run.points for run in store.runs(PROJECT))) != points:
        raise SystemExit(f"{found} points of {points} are projected")


def receive_bulk(work: dict[str, Any]) -> dict[str, float]:
    """One run, whole items, all stored and then all projected."""
    ready = [[item] for item in iter_items("one", iter_calls(work["steps"]))]
    return store_and_project(work, ready, work["steps"] * len(METRICS), lambda *_: False)


def receive_many(work: dict[str, Any]) -> dict[str, float]:
    """Many runs, an item of ten records of each per round: a catch-up after each commit, or as long as the commits between took."""
    steps = work["rounds"] * LIVE_RECORDS
    runs = [
        list(iter_items(f"run-{number}", iter_calls(steps), records_per_item=LIVE_RECORDS)) for number in range(work["writers"])
    ]
    fair = work["fair"]
    return store_and_project(
        work,
        list(zip(*runs, strict=True)),
        len(runs) * steps * len(METRICS),
        lambda _, storing, projecting: not fair or storing >= projecting,
    )


def receive_live(work: dict[str, Any]) -> dict[str, Any]:
    """One run, ten records at a time; bytes on the disk when it has ended, is packed as an idle server does it, and closed."""
    ready = [
        [item] for item in iter_items("one", iter_calls(work["steps"], Precision(work["kind"])), records_per_item=LIVE_RECORDS)
    ]
    times = store_and_project(work, ready, work["steps"] * len(METRICS), lambda rounds, *_: rounds == LIVE_ITEMS_PER_ROUND)
    folder = Path(work["folder"])
    with closing(RawStore(folder / RAW_FILE)) as raw:
        while raw.pack():
            pass
    return {**times, "raw": sum_file_sizes(folder, f"{RAW_FILE}*"), "projection": sum_file_sizes(folder, "store.*.db*")}


def iter_run_items(work: dict[str, Any], number: int) -> Iterator[Item]:
    """The items of one of many runs: of a short one, which differs from all others, or of a long one."""
    if work["steps"] > MAX_SHORT_STEPS:
        return iter_items(f"run-{number:06}", iter_calls(work["steps"]))
    value = number * GOLDEN_RATIO % 1
    logged = [{name: value / (place + 1) for place, name in enumerate(build_metric_names(work["metrics"]))}] * work["steps"]
    return iter_items(f"run-{number:06}", logged, start_us=START_US + number)


def fill_folder(work: dict[str, Any]) -> dict[str, Any]:
    """Make a folder with `runs` runs of `metrics` metrics and `steps` steps, from number `first` on."""
    with open_stores(work) as (store, raw):
        batch: list[Item] = []
        for number in range(work["first"], work["runs"]):
            for item in iter_run_items(work, number):
                batch.append(item)
                if len(batch) >= ITEMS_PER_COMMIT:
                    store_batch(raw, batch)
                    batch.clear()
        store_batch(raw, batch)
        store.project_all(seal_dead_writers=False)
    return {}


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    work = read_job()
    print_result({"bulk": receive_bulk, "many": receive_many, "live": receive_live, "fill": fill_folder}[work["do"]](work))
