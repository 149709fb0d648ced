"""Somebody who asks: a `store` for one long metric, for the `tables` of many runs, a server for `frames`, and by `growth`."""

from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.child import job, milliseconds, tell
from benchmarks.streams import PROJECT
from benchmarks.workload import METRICS
from tasuki.settings import load
from tasuki.store import BestRuns, LocalStore, Queries, grid

BUCKETS = 2000
COMPARED = 10
PAGE = 100
FRAME = {"Accept": "application/x-tasuki-frame"}


def opened(work: dict[str, Any], *, caught_up: bool) -> LocalStore:
    """The folder's store; `caught_up`: as a server has it, whose projector looks for new records."""
    settings = load(environment={}, dir=work["folder"])
    return LocalStore(settings, wait_seconds=None, arrive=(lambda *_: 0) if caught_up else None)


def buckets(questions: Queries, run: str) -> None:
    """One metric in 2000 columns, as the server answers it."""
    sketch = questions.sketch(PROJECT, run, METRICS[0])
    if sketch is None:
        raise SystemExit("the metric is not there")
    sketch.on(grid([sketch.outline], BUCKETS))


def store(work: dict[str, Any]) -> dict[str, float]:
    """One long metric."""
    with opened(work, caught_up=True) as found:
        run = found.runs(PROJECT)[0].id
        return {
            "buckets": milliseconds(lambda: found.ask(buckets, run), work["times"]),
            "series": milliseconds(lambda: found.series(PROJECT, run, METRICS[0]), work["times"]),
        }


def tables(work: dict[str, Any]) -> dict[str, float]:
    """Summaries and runs."""
    took = {}
    for suffix, caught_up in (("", True), (" by Api", False)):
        with opened(work, caught_up=caught_up) as found:
            took["summaries" + suffix] = milliseconds(lambda: found.summaries(PROJECT), work["times"])
            took["runs" + suffix] = milliseconds(lambda: found.runs(PROJECT), work["times"])
    return took


def frames(work: dict[str, Any]) -> dict[str, float]:
    """The charts of some metrics, all runs in each."""
    connection = HTTPConnection(urlsplit(work["url"]).netloc, timeout=120)
    columns = BUCKETS if work["charts"] == 1 else 640
    asked = {"project": PROJECT, "columns": columns, "run": [f"run-{number:06}" for number in range(work["runs"])]}
    paths = ["/api/v1/series?" + urlencode({**asked, "metric": metric}, doseq=True) for metric in METRICS[: work["charts"]]]
    sizes = []

    def all_charts() -> None:
        for path in paths:
            connection.request("GET", path, headers=FRAME)
            answer = connection.getresponse()
            sizes.append(len(answer.read()))
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status}")

    return {"milliseconds": milliseconds(all_charts, work["times"]), "bytes": sum(sizes[-len(paths) :])}


def growth(work: dict[str, Any]) -> dict[str, float]:
    """What a page asks for, however many runs there are."""
    with opened(work, caught_up=True) as found:
        compared = [row.id for row in found.ask(Queries.runs_page, PROJECT, limit=COMPARED).rows]
        return {
            "run list page": milliseconds(
                lambda: found.ask(Queries.runs_page, PROJECT, limit=PAGE, newest_first=True), work["times"]
            ),
            "best": milliseconds(lambda: found.summaries(PROJECT, metrics=[METRICS[0]], top=BestRuns(PAGE)), work["times"]),
            "compare": milliseconds(lambda: found.summaries(PROJECT, compared), work["times"]),
        }


if __name__ == "__main__":
    work = job()
    tell({"store": store, "tables": tables, "frames": frames, "growth": growth}[work["do"]](work))
