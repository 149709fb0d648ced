"""Runs side by side, in any tracker: `record` many runs by the tracker's own calls, then `compare` them; ours also by `answers`.

A job is `{"do": …, "tracker": …, "folder": …, "runs": …, "metrics": …, "steps": …, "times": …}`. It imports what its tracker needs.
"""

import random
from collections.abc import Iterator
from typing import Any

from benchmarks.child import measure_milliseconds, print_result, read_job

PROJECT = "bench"
COMPARED_RUNS = 20


def build_run_name(number: int) -> str:
    """A run's."""
    return f"run-{number:04}"


def iter_calls(work: dict[str, Any], number: int) -> Iterator[dict[str, float]]:
    """What a run logs: decaying noise, the same each time."""
    noise = random.Random(number)
    metrics = [f"train/metric_{place}" for place in range(work["metrics"])]
    for step in range(work["steps"]):
        level = (number + 1) / (step + 1) + noise.random() / 10
        yield {metric: level + place for place, metric in enumerate(metrics)}


def record_runs(work: dict[str, Any]) -> dict[str, Any]:
    """Every run, from its first call to its last."""
    tracker: Any = __import__(work["tracker"])
    more = {"embed": False} if work["tracker"] == "trackio" else {"dir": work["folder"]}
    for number in range(work["runs"]):
        run = tracker.init(project=PROJECT, name=build_run_name(number), config={"lr": number / 1000}, **more)
        for step, metrics in enumerate(iter_calls(work, number)):
            run.log(metrics, step=step)
        tracker.finish()
    return {"version": tracker.__version__}


def compare_rows(work: dict[str, Any]) -> dict[str, Any]:
    """The last value of each metric of each run, from trackio's rows of JSON: its API has no other way."""
    from trackio.sqlite_storage import SQLiteStorage

    def compare() -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for number in range(work["runs"]):
            last = found.setdefault(build_run_name(number), {})
            for row in SQLiteStorage.get_logs(PROJECT, build_run_name(number)):
                last |= row
        return found

    if any(len(last) < work["metrics"] for last in compare().values()):
        raise SystemExit("not all is there")
    return {"milliseconds": measure_milliseconds(compare, work["times"])}


def time_queries(work: dict[str, Any]) -> dict[str, Any]:
    """Ours, as a server asks its store, whose projector has caught up: the best runs, runs side by side, the whole project."""
    from tasuki.sdk.query.comparison import build_comparison, rank_runs
    from tasuki.settings import load
    from tasuki.store import BestRuns, LocalStore

    settings = load(environment={}, dir=work["folder"])
    with LocalStore(settings, wait_seconds=None) as store:
        if sum(run.points for run in store.runs(PROJECT)) != work["runs"] * work["metrics"] * work["steps"]:
            raise SystemExit("not all is there")
    names = [build_run_name(number) for number in range(min(COMPARED_RUNS, work["runs"]))]
    with LocalStore(settings, wait_seconds=None, ensure_caught_up=lambda *_: 0) as store:
        (first,) = rank_runs(store, PROJECT, "train/metric_0", BestRuns(1))
        if first.run.name not in names:
            raise SystemExit(f"{first.run.name} is not the best")
        ids = [run.id for run in store.runs_by_ref(PROJECT, names)]
        return {
            "compare": measure_milliseconds(lambda: build_comparison(store, PROJECT, ids), work["times"]),
            "best": measure_milliseconds(lambda: rank_runs(store, PROJECT, "train/metric_0", BestRuns(10)), work["times"]),
            "summary": measure_milliseconds(lambda: store.overview(PROJECT), work["times"]),
        }


if __name__ == "__main__":
    work = read_job()
    print_result({"record": record_runs, "compare": compare_rows, "answers": time_queries}[work["do"]](work))
