"""Clients of a server: `send` posts ready-made runs at once, over a connection each; `meta` asks how quickly it answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

from benchmarks.child import job, tell
from benchmarks.posts import POSTS, Post, post
from benchmarks.rows import percentile
from benchmarks.streams import PROJECT
from benchmarks.workload import METRICS

PAUSE_SECONDS = 0.005
LONGEST_SECONDS = 600


def connected(work: dict[str, Any]) -> HTTPConnection:
    """A connection of its own."""
    return HTTPConnection("127.0.0.1", work["port"], timeout=LONGEST_SECONDS)


def send(work: dict[str, Any]) -> dict[str, float]:
    """Seconds until all is acknowledged, and until all can be asked for."""
    connections = [connected(work) for _ in range(work["streams"])]
    make = POSTS[work["tracker"]]
    ready = [list(make(connection, f"run-{number}", work["steps"])) for number, connection in enumerate(connections)]
    Path(work["ready"]).touch()
    began = perf_counter()
    with ThreadPoolExecutor(len(connections)) as threads:
        list(threads.map(one_stream, connections, ready))
    acknowledged = perf_counter()
    points = work["streams"] * work["steps"] * len(METRICS)
    if work["tracker"] == "tasuki":
        wait_for(connections[0], points)
    return {"points": points, "acknowledged": acknowledged - began, "whole": perf_counter() - began}


def one_stream(connection: HTTPConnection, posts: list[Post]) -> None:
    """One request after the other; tasuki's acknowledgements are read."""
    for request in posts:
        answer = post(connection, request)
        if request.path.endswith("/replicate") and b"stored" not in answer:
            raise SystemExit("an item was not stored")


def wait_for(connection: HTTPConnection, points: int) -> None:
    """Until the projection has all of them (the two other servers project in the request)."""
    while True:
        connection.request("GET", f"/api/v1/runs?project={PROJECT}")
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status == 200 and sum(run["points"] for run in content["runs"]) == points:
            return
        sleep(PAUSE_SECONDS)


def meta(work: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of `meta`, from when the senders are ready until told to stop by a file."""
    connection, took = connected(work), []
    until = monotonic() + LONGEST_SECONDS
    while not Path(work["stop"]).exists() and monotonic() < until:
        if Path(work["ready"]).exists():
            began = perf_counter()
            connection.request("GET", "/api/v1/meta")
            connection.getresponse().read()
            took.append((perf_counter() - began) * 1000)
        sleep(PAUSE_SECONDS)
    return {"p50": percentile(took, 50), "p99": percentile(took, 99), "asked": len(took)}


if __name__ == "__main__":
    work = job()
    tell({"send": send, "meta": meta}[work["do"]](work))
