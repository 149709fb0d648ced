"""tasuki's part."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import tasuki
from benchmarks.child import job, tell
from benchmarks.workload import METRICS, Kind, values
from tasuki.settings import load
from tasuki.store import open_local

PROJECT, RUN = "bench", "one"


def record(work: dict[str, Any]) -> dict[str, Any]:
    """Record a run, and ask until all of it is there."""
    calls = values(work["steps"], Kind(work["kind"]))
    began = perf_counter()
    run = tasuki.init(project=PROJECT, name=RUN, dir=work["folder"])
    logging = perf_counter()
    for step, metrics in enumerate(calls):
        run.log(metrics, step=step)
    logged = perf_counter()
    run.finish()
    finished = perf_counter()
    with open_local(load(dir=work["folder"]), wait_seconds=None) as store:
        points = store.runs(PROJECT)[0].points
    ended = perf_counter()
    if points != len(calls) * len(METRICS):
        raise SystemExit(f"the store has {points} points")
    return {
        "version": tasuki.__version__,
        "log": logged - logging,
        "finish": finished - logged,
        "query": ended - finished,
        "whole": ended - began,
        "bytes": {"journal": size(work, "journal/*/*.tsk"), "projection": size(work, "store.*.db*")},
    }


def size(work: dict[str, Any], pattern: str) -> int:
    """Bytes of files."""
    return sum(path.stat().st_size for path in Path(work["folder"]).glob(pattern))


def read(work: dict[str, Any]) -> dict[str, Any]:
    """Read one metric, as arrays and as rows, each time with a store opened for it."""
    series, points = timed(lambda: len(opened(work, lambda store, run: store.series(PROJECT, run, work["metric"]).values)))
    history, rows = timed(lambda: len(opened(work, lambda store, run: store.history(PROJECT, run, work["metric"]))))
    if points != rows:
        raise SystemExit(f"{points} points, but {rows} rows")
    return {"points": points, "milliseconds": {"arrays": series, "rows": history}}


def opened(work: dict[str, Any], question: Callable[[Any, str], Any]) -> Any:
    """Open the store, find the run, ask."""
    with open_local(load(dir=work["folder"]), wait_seconds=None) as store:
        return question(store, store.run(PROJECT, RUN).id)


def timed(question: Callable[[], int]) -> tuple[float, int]:
    """Milliseconds, and the answer."""
    began = perf_counter()
    answer = question()
    return (perf_counter() - began) * 1000, answer


if __name__ == "__main__":
    work = job()
    tell({"record": record, "read": read}[work["do"]](work))
