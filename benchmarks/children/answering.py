"""Runs side by side, in any tracker: `record` many runs by the tracker's own calls, then `compare` them; ours also by `answers`.

A job is `{"do": …, "tracker": …, "folder": …, "runs": …, "metrics": …, "steps": …, "times": …}`. It imports what its tracker needs.
"""

import random
from collections.abc import Iterator
from typing import Any

from benchmarks.child import job, milliseconds, tell

PROJECT = "bench"
COMPARED = 20


def name(number: int) -> str:
    """A run's."""
    return f"run-{number:04}"


def logged(work: dict[str, Any], number: int) -> Iterator[dict[str, float]]:
    """What a run logs: decaying noise, the same each time."""
    noise = random.Random(number)
    metrics = [f"train/metric_{place}" for place in range(work["metrics"])]
    for step in range(work["steps"]):
        level = (number + 1) / (step + 1) + noise.random() / 10
        yield {metric: level + place for place, metric in enumerate(metrics)}


def record(work: dict[str, Any]) -> dict[str, Any]:
    """Every run, from its first call to its last."""
    tracker: Any = __import__(work["tracker"])
    more = {"embed": False} if work["tracker"] == "trackio" else {"dir": work["folder"]}
    for number in range(work["runs"]):
        run = tracker.init(project=PROJECT, name=name(number), config={"lr": number / 1000}, **more)
        for step, metrics in enumerate(logged(work, number)):
            run.log(metrics, step=step)
        tracker.finish()
    return {"version": tracker.__version__}


def compare_rows(work: dict[str, Any]) -> dict[str, Any]:
    """The last value of each metric of each run, from trackio's rows of JSON: its API has no other way."""
    from trackio.sqlite_storage import SQLiteStorage

    def compare() -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for number in range(work["runs"]):
            last = found.setdefault(name(number), {})
            for row in SQLiteStorage.get_logs(PROJECT, name(number)):
                last |= row
        return found

    if any(len(last) < work["metrics"] for last in compare().values()):
        raise SystemExit("not all is there")
    return {"milliseconds": milliseconds(compare, work["times"])}


def answers(work: dict[str, Any]) -> dict[str, Any]:
    """Ours, as a server asks its store, whose projector has caught up: the best runs, runs side by side, the whole project."""
    from tasuki.sdk.query.comparison import best, compare
    from tasuki.settings import load
    from tasuki.store import BestRuns, LocalStore

    settings = load(environment={}, dir=work["folder"])
    with LocalStore(settings, wait_seconds=None) as store:
        if sum(run.points for run in store.runs(PROJECT)) != work["runs"] * work["metrics"] * work["steps"]:
            raise SystemExit("not all is there")
    names = [name(number) for number in range(min(COMPARED, work["runs"]))]
    with LocalStore(settings, wait_seconds=None, arrive=lambda *_: 0) as store:
        (first,) = best(store, PROJECT, "train/metric_0", BestRuns(1))
        if first.run.name not in names:
            raise SystemExit(f"{first.run.name} is not the best")
        ids = [run.id for run in store.named(PROJECT, names)]
        return {
            "compare": milliseconds(lambda: compare(store, PROJECT, ids), work["times"]),
            "best": milliseconds(lambda: best(store, PROJECT, "train/metric_0", BestRuns(10)), work["times"]),
            "summary": milliseconds(lambda: store.overview(PROJECT), work["times"]),
        }


if __name__ == "__main__":
    work = job()
    tell({"record": record, "compare": compare_rows, "answers": answers}[work["do"]](work))
