"""How soon is a note on the server?

Eight processes with one brain make 25 corrections each, at random moments, about forty a second in all. They go to a real server,
and one client asks that for its newest notes again and again. A note's time is from the return of `brain.correct()` to the first
answer that has it.
"""

import http.client
import json
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote, urlsplit

from benchmarks.child import start_child, stop_children, wait_for_result
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row, compute_percentile, exactly
from benchmarks.serving import run_server
from tasuki import Brain

__all__ = ["BENCHMARK", "measure"]

CLIENT_COUNT = 8
CALLS_PER_CLIENT = 25
CALLS_PER_SECOND = 5.0
POLL_SECONDS = 0.02
TIMEOUT_SECONDS = 60.0


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Percentiles of the delay, and what never came."""
    delays, absent = [], 0
    with temporary_folder() as place, run_server(place / "server") as url:
        for number in range(size.runs):
            found, gone = measure_delays(place / f"brain{number}", url)
            delays.append(found)
            absent += gone
    return [
        build_row("on the server after, p50", (compute_percentile(run, 50) for run in delays), "s"),
        build_row("on the server after, p95", (compute_percentile(run, 95) for run in delays), "s", at_most(1.5)),
        build_row("on the server after, slowest", (max(run) for run in delays), "s", at_most(5)),
        build_row("notes that are not there", [absent], "", exactly(0)),
    ]


def measure_delays(data_folder: Path, url: str) -> tuple[list[float], int]:
    """The delay of each note in seconds, and how many are not there at the end."""
    with Brain(data_folder) as brain:
        name = brain.id
    work = {"folder": str(data_folder), "remote": url, "calls": CALLS_PER_CLIENT, "rate": CALLS_PER_SECOND}
    children = [start_child("benchmarks.children.noting", work | {"client": client}) for client in range(CLIENT_COUNT)]
    try:
        seen = wait_for_drafts(url, name)
        noted = {draft: at for child in children for draft, at in wait_for_result(child).items()}
    finally:
        stop_children(children)
    return [max(0.0, seen[draft] - at) for draft, at in noted.items() if draft in seen], len(noted.keys() - seen.keys())


def wait_for_drafts(url: str, brain: str) -> dict[str, float]:
    """When each draft was first seen, until all are there, or much too late."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    deadline = monotonic() + TIMEOUT_SECONDS
    seen: dict[str, float] = {}
    while len(seen) < CLIENT_COUNT * CALLS_PER_CLIENT and monotonic() < deadline:
        connection.request("GET", f"/api/v1/notes?brain={quote(brain)}&order=-created&limit=200")
        answer = json.loads(connection.getresponse().read())
        for note in answer.get("notes", ()):  # a brain that the server has not heard of yet is an error
            seen.setdefault(note["content"]["draft"], monotonic())
        sleep(POLL_SECONDS)
    connection.close()
    return seen


BENCHMARK = Benchmark("How soon is a note on the server?", __doc__, measure)
