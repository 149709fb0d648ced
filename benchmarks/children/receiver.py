"""A receiver of streams without a network, on one core: `bulk`, `many` writers, `live` cadence; `fill` a folder with runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.adapters import size
from benchmarks.child import job, tell
from benchmarks.streams import BEGAN_US, PROJECT, calls, items, names
from benchmarks.workload import METRICS, Kind
from tasuki.records import Item, ReplyStatus
from tasuki.settings import load
from tasuki.store import RAW_FILE, LocalStore, RawStore, open_local

LIVE_RECORDS = 10
LIVE_ROUND = 10
COMMIT_ITEMS = 100
SHORT_STEPS = 10
GOLDEN = 0.618033988749895


def store_all(raw: RawStore, batch: Sequence[Item]) -> None:
    """One durable commit."""
    if any(reply.status is not ReplyStatus.STORED for reply in raw.append(batch)):
        raise SystemExit("an item was not stored")


def received(
    work: dict[str, Any], rounds: Sequence[Sequence[Item]], points: int, enough: Callable[[int, float, float], bool]
) -> dict[str, float]:
    """Store rounds until `enough(rounds, seconds, seconds of the last catch-up)`, then catch up, and so on; seconds of each."""
    storing = projecting = longest = last = 0.0
    waiting = iter(rounds)
    with both(work) as (store, raw):
        store.project_all(tend=False)
        while True:
            began, stored = perf_counter(), 0
            for batch in waiting:
                store_all(raw, batch)
                stored += 1
                if enough(stored, perf_counter() - began, last):
                    break
            if not stored:
                break
            middle = perf_counter()
            store.project_all(tend=False)
            last = perf_counter() - middle
            storing, projecting, longest = storing + middle - began, projecting + last, max(longest, perf_counter() - began)
        check(store, points)
    return {"points": points, "store": storing, "project": projecting, "lag": longest}


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
    return received(work, ready, work["steps"] * len(METRICS), lambda *_: False)


def many(work: dict[str, Any]) -> dict[str, float]:
    """Many runs, an item of ten records of each per round: a catch-up after each commit, or as long as the commits between took."""
    steps = work["rounds"] * LIVE_RECORDS
    runs = [list(items(f"run-{number}", calls(steps), each=LIVE_RECORDS)) for number in range(work["writers"])]
    fair = work["fair"]
    return received(
        work,
        list(zip(*runs, strict=True)),
        len(runs) * steps * len(METRICS),
        lambda _, storing, projecting: not fair or storing >= projecting,
    )


def live(work: dict[str, Any]) -> dict[str, Any]:
    """One run, ten records at a time; bytes on the disk when it has ended, is packed as an idle server does it, and closed."""
    ready = [[item] for item in items("one", calls(work["steps"], Kind(work["kind"])), each=LIVE_RECORDS)]
    times = received(work, ready, work["steps"] * len(METRICS), lambda rounds, *_: rounds == LIVE_ROUND)
    folder = Path(work["folder"])
    with closing(RawStore(folder / RAW_FILE)) as raw:
        while raw.pack():
            pass
    return {**times, "raw": size(folder, f"{RAW_FILE}*"), "projection": size(folder, "store.*.db*")}


def run_items(work: dict[str, Any], number: int) -> Iterator[Item]:
    """The items of one of many runs: of a short one, which differs from all others, or of a long one."""
    if work["steps"] > SHORT_STEPS:
        return items(f"run-{number:06}", calls(work["steps"]))
    value = number * GOLDEN % 1
    logged = [{name: value / (place + 1) for place, name in enumerate(names(work["metrics"]))}] * work["steps"]
    return items(f"run-{number:06}", logged, began=BEGAN_US + number)


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
