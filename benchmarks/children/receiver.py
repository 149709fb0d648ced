"""A receiver of streams without a network, on one core: `bulk`, `many` writers, `live` cadence; `fill` a folder with runs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.adapters import size
from benchmarks.child import job, tell
from benchmarks.streams import PROJECT, calls, items, names
from benchmarks.workload import METRICS, Kind
from tasuki.records import Item, ReplyStatus
from tasuki.settings import load
from tasuki.store import RAW_FILE, LocalStore, RawStore, open_local

LIVE_RECORDS = 10
LIVE_ROUND = 10
COMMIT_ITEMS = 100


def store_all(raw: RawStore, batch: Sequence[Item]) -> None:
    """One durable commit."""
    if any(reply.status is not ReplyStatus.STORED for reply in raw.append(batch)):
        raise SystemExit("an item was not stored")


def received(work: dict[str, Any], rounds: Sequence[Sequence[Item]], commits: int, points: int) -> dict[str, float]:
    """Store `commits` rounds at a time, then project; seconds of each."""
    storing = projecting = 0.0
    with both(work) as (store, raw):
        store.project_all(tend=False)
        for first in range(0, len(rounds), commits):
            began = perf_counter()
            for batch in rounds[first : first + commits]:
                store_all(raw, batch)
            stored = perf_counter()
            store.project_all(tend=False)
            projecting += perf_counter() - stored
            storing += stored - began
        check(store, points)
    return {"points": points, "store": storing, "project": projecting}


@contextmanager
def both(work: dict[str, Any]) -> Iterator[tuple[LocalStore, RawStore]]:
    """The folder's store and its raw store, which has to be there first."""
    settings = load(environment={}, dir=work["folder"])
    with closing(RawStore(Path(work["folder"]) / RAW_FILE)) as raw, open_local(settings, wait_seconds=None) as store:
        yield store, raw


def check(store: LocalStore, points: int) -> None:
    """All of them can be asked for."""
    if (found := sum(run.points for run in store.runs(PROJECT))) != points:
        raise SystemExit(f"{found} points of {points} are projected")


def bulk(work: dict[str, Any]) -> dict[str, float]:
    """One run, whole items, all stored and then all projected."""
    ready = [[item] for item in items("one", calls(work["steps"]))]
    return received(work, ready, len(ready), work["steps"] * len(METRICS))


def many(work: dict[str, Any]) -> dict[str, float]:
    """Many runs, an item of ten records of each per round."""
    steps = work["rounds"] * LIVE_RECORDS
    runs = [list(items(f"run-{number}", calls(steps), each=LIVE_RECORDS)) for number in range(work["writers"])]
    return received(work, list(zip(*runs, strict=True)), 1, len(runs) * steps * len(METRICS))


def live(work: dict[str, Any]) -> dict[str, Any]:
    """One run, ten records at a time; bytes on the disk when it has ended, is packed as an idle server does it, and closed."""
    ready = [[item] for item in items("one", calls(work["steps"], Kind(work["kind"])), each=LIVE_RECORDS)]
    times = received(work, ready, LIVE_ROUND, work["steps"] * len(METRICS))
    folder = Path(work["folder"])
    with closing(RawStore(folder / RAW_FILE)) as raw:
        while raw.pack():
            pass
    return {**times, "raw": size(folder, f"{RAW_FILE}*"), "projection": size(folder, "store.*.db*")}


def run_items(work: dict[str, Any], number: int) -> Iterator[Item]:
    """The items of one of many runs."""
    if work["metrics"] == len(METRICS):
        return items(f"run-{number:06}", calls(work["steps"]))
    logged = [{name: number / (place + 1) for place, name in enumerate(names(work["metrics"]))}] * work["steps"]
    return items(f"run-{number:06}", logged)


def fill(work: dict[str, Any]) -> dict[str, Any]:
    """Make a folder with `runs` runs of `metrics` metrics and `steps` steps, from number `first` on."""
    with both(work) as (store, raw):
        batch: list[Item] = []
        for number in range(work["first"], work["runs"]):
            for item in run_items(work, number):
                batch.append(item)
                if len(batch) >= COMMIT_ITEMS:
                    store_all(raw, batch)
                    batch.clear()
        store_all(raw, batch)
        store.project_all(tend=False)
    return {}


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    work = job()
    tell({"bulk": bulk, "many": many, "live": live, "fill": fill}[work["do"]](work))
