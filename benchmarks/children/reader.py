"""Somebody who asks: a `store` for one long metric, for the `tables` of many runs, a server for `frames`, and by `growth`."""

from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.child import measure_milliseconds, print_result, read_job
from benchmarks.streams import PROJECT
from benchmarks.workload import METRICS
from tasuki.settings import load
from tasuki.store import BestRuns, LocalStore, Queries, build_grid

BUCKET_COUNT = 2000
COMPARED_RUNS = 10
PAGE_SIZE = 100
BINARY_HEADERS = {"Accept": "application/x-tasuki-frame"}


def open_store(work: dict[str, Any], *, is_caught_up: bool) -> LocalStore:
    """The folder's store; `caught_up`: as a server has it, whose projector looks for new records."""
    settings = load(environment={}, dir=work["folder"])
    return LocalStore(settings, wait_seconds=None, ensure_caught_up=(lambda *_: 0) if is_caught_up else None)


def read_buckets(queries: Queries, run: str) -> None:
    """One metric in 2000 columns, as the server answers it."""
    sketch = queries.chart_reader(PROJECT, run, METRICS[0])
    if sketch is None:
        raise SystemExit("the metric is not there")
    sketch.downsample(build_grid([sketch.rollup], BUCKET_COUNT))


def time_store(work: dict[str, Any]) -> dict[str, float]:
    """One long metric."""
    with open_store(work, is_caught_up=True) as found:
        run = found.runs(PROJECT)[0].id
        return {
            "buckets": measure_milliseconds(lambda: found.run_query(read_buckets, run), work["times"]),
            "series": measure_milliseconds(lambda: found.series(PROJECT, run, METRICS[0]), work["times"]),
        }


def time_tables(work: dict[str, Any]) -> dict[str, float]:
    """Summaries and runs."""
    took = {}
    for suffix, caught_up in (("", True), (" by Api", False)):
        with open_store(work, is_caught_up=caught_up) as found:
            took["summaries" + suffix] = measure_milliseconds(lambda: found.summaries(PROJECT), work["times"])
            took["runs" + suffix] = measure_milliseconds(lambda: found.runs(PROJECT), work["times"])
    return took


def time_frames(work: dict[str, Any]) -> dict[str, float]:
    """The charts of some metrics, all runs in each."""
    connection = HTTPConnection(urlsplit(work["url"]).netloc, timeout=120)
    columns = BUCKET_COUNT if work["charts"] == 1 else 640
    asked = {"project": PROJECT, "columns": columns, "run": [f"run-{number:06}" for number in range(work["runs"])]}
    paths = ["/api/v1/series?" + urlencode({**asked, "metric": metric}, doseq=True) for metric in METRICS[: work["charts"]]]
    sizes = []

    def request_all_charts() -> None:
        for path in paths:
            connection.request("GET", path, headers=BINARY_HEADERS)
            answer = connection.getresponse()
            sizes.append(len(answer.read()))
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status}")

    return {"milliseconds": measure_milliseconds(request_all_charts, work["times"]), "bytes": sum(sizes[-len(paths) :])}


def time_growth(work: dict[str, Any]) -> dict[str, float]:
    """What a page asks for, however many runs there are."""
    with open_store(work, is_caught_up=True) as found:
        compared = [row.id for row in found.run_query(Queries.runs_page, PROJECT, limit=COMPARED_RUNS).rows]
        return {
            "run list page": measure_milliseconds(
                lambda: found.run_query(Queries.runs_page, PROJECT, limit=PAGE_SIZE, newest_first=True), work["times"]
            ),
            "best": measure_milliseconds(
                lambda: found.summaries(PROJECT, metrics=[METRICS[0]], top=BestRuns(PAGE_SIZE)), work["times"]
            ),
            "compare": measure_milliseconds(lambda: found.summaries(PROJECT, compared), work["times"]),
        }


if __name__ == "__main__":
    work = read_job()
    print_result({"store": time_store, "tables": time_tables, "frames": time_frames, "growth": time_growth}[work["do"]](work))
