"""Clients of a server: `send` posts ready-made runs at once, over a connection each; `meta` asks how quickly it answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

from benchmarks.child import print_result, read_job
from benchmarks.posts import REQUEST_BUILDERS, PostRequest, send_request
from benchmarks.rows import compute_percentile
from benchmarks.streams import PROJECT
from benchmarks.workload import METRICS

POLL_SECONDS = 0.005
TIMEOUT_SECONDS = 600


def open_connection(work: dict[str, Any]) -> HTTPConnection:
    """A connection of its own."""
    return HTTPConnection("127.0.0.1", work["port"], timeout=TIMEOUT_SECONDS)


def send_runs(work: dict[str, Any]) -> dict[str, float]:
    """Seconds until all is acknowledged, and until all can be asked for."""
    connections = [open_connection(work) for _ in range(work["streams"])]
    make = REQUEST_BUILDERS[work["tracker"]]
    ready = [list(make(connection, f"run-{number}", work["steps"])) for number, connection in enumerate(connections)]
    Path(work["ready"]).touch()
    began = perf_counter()
    with ThreadPoolExecutor(len(connections)) as threads:
        list(threads.map(send_stream, connections, ready))
    acknowledged = perf_counter()
    points = work["streams"] * work["steps"] * len(METRICS)
    if work["tracker"] == "tasuki":
        wait_for_projection(connections[0], points)
    return {"points": points, "acknowledged": acknowledged - began, "whole": perf_counter() - began}


def send_stream(connection: HTTPConnection, requests: list[PostRequest]) -> None:
    """One request after the other; tasuki's acknowledgements are read."""
    for request in requests:
        answer = send_request(connection, request)
        if request.path.endswith("/replicate") and b"stored" not in answer:
            raise SystemExit("an item was not stored")


def wait_for_projection(connection: HTTPConnection, points: int) -> None:
    """Until the projection has all of them (the two other servers project in the request)."""
    while True:
        connection.request("GET", f"/api/v1/runs?project={PROJECT}")
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status == 200 and sum(run["points"] for run in content["runs"]) == points:
            return
        sleep(POLL_SECONDS)


def time_meta(work: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of `meta`, from when the senders are ready until told to stop by a file."""
    connection, took = open_connection(work), []
    until = monotonic() + TIMEOUT_SECONDS
    while not Path(work["stop"]).exists() and monotonic() < until:
        if Path(work["ready"]).exists():
            began = perf_counter()
            connection.request("GET", "/api/v1/meta")
            connection.getresponse().read()
            took.append((perf_counter() - began) * 1000)
        sleep(POLL_SECONDS)
    return {"p50": compute_percentile(took, 50), "p99": compute_percentile(took, 99), "asked": len(took)}


if __name__ == "__main__":
    work = read_job()
    print_result({"send": send_runs, "meta": time_meta}[work["do"]](work))
