"""trackio's part (it keeps a database per project in TRACKIO_DIR, and reads a metric by `get_metric_values`, as its CLI does)."""

import os
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from benchmarks.child import job, tell
from benchmarks.workload import Kind, values

work = job()
os.environ["TRACKIO_DIR"] = work["folder"]
os.environ["HF_HUB_OFFLINE"] = "1"

import trackio  # noqa: E402 - it reads its settings when imported
from trackio.sqlite_storage import SQLiteStorage  # noqa: E402

PROJECT, RUN = "bench", "one"


def record(work: dict[str, Any]) -> dict[str, Any]:
    """Record a run, and ask until all of it is there."""
    calls = values(work["steps"], Kind(work["kind"]))
    began = perf_counter()
    trackio.init(project=PROJECT, name=RUN, embed=False)
    logging = perf_counter()
    for step, metrics in enumerate(calls):
        trackio.log(metrics, step=step)
    logged = perf_counter()
    trackio.finish()
    finished = perf_counter()
    while SQLiteStorage.get_log_count(PROJECT, RUN) < len(calls):
        sleep(0.01)
    ended = perf_counter()
    return {
        "version": trackio.__version__,
        "log": logged - logging,
        "finish": finished - logged,
        "query": ended - finished,
        "whole": ended - began,
        "bytes": {"database": sum(path.stat().st_size for path in Path(work["folder"]).glob("bench.db*"))},
    }


def read(work: dict[str, Any]) -> dict[str, Any]:
    """Read one metric as rows."""
    began = perf_counter()
    rows = SQLiteStorage.get_metric_values(PROJECT, RUN, work["metric"])
    return {"points": len(rows), "milliseconds": {"rows": (perf_counter() - began) * 1000}}


if __name__ == "__main__":
    tell({"record": record, "read": read}[work["do"]](work))
