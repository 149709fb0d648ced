"""Requests that are ready to be posted: one run of ten metrics, as each server's own clients send it in bulk."""

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import msgspec

from benchmarks.streams import PROJECT, calls, items
from tasuki.records import ReplicateRequest

__all__ = ["POSTS", "WRITE_TOKEN", "Post", "post"]

WRITE_TOKEN = "for-the-benchmark"
ENTRIES = 1_000
MLFLOW_CALLS = 100
"""MLflow takes at most 1000 metrics in a request."""


class Post(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


def post(connection: HTTPConnection, request: Post) -> bytes:
    """Send it, and read the answer. SystemExit if it is refused."""
    connection.request("POST", request.path, request.body, request.headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{request.path}: {answer.status} {content[:300]!r}")
    return content


def to_tasuki(_: HTTPConnection, run: str, steps: int) -> Iterator[Post]:
    """An item below 1 MiB in each."""
    for item in items(run, calls(steps)):
        body = msgspec.msgpack.encode(ReplicateRequest(items=[item]))
        yield Post("/api/v1/replicate", {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}, body)


def to_trackio(_: HTTPConnection, run: str, steps: int) -> Iterator[Post]:
    """A thousand calls in each."""
    headers = {"Content-Type": "application/json", "X-Trackio-Write-Token": WRITE_TOKEN}
    entries = [
        {"project": PROJECT, "run": run, "metrics": metrics, "step": step, "config": None, "log_id": f"{run}-{step}"}
        for step, metrics in enumerate(calls(steps))
    ]
    for first in range(0, steps, ENTRIES):
        work: dict[str, Any] = {"args": [], "kwargs": {"logs": entries[first : first + ENTRIES], "hf_token": None}}
        yield Post("/api/bulk_log", headers, json.dumps(work).encode())


def to_mlflow(connection: HTTPConnection, run: str, steps: int) -> Iterator[Post]:
    """A hundred calls of ten metrics in each, to a run that is made first."""
    headers = {"Content-Type": "application/json"}
    create = Post(
        "/api/2.0/mlflow/runs/create", headers, json.dumps({"experiment_id": "0", "run_name": run, "start_time": 1}).encode()
    )
    run_id = json.loads(post(connection, create))["run"]["info"]["run_id"]
    metrics = [
        {"key": key, "value": value, "timestamp": 1_800_000_000_000 + step, "step": step}
        for step, logged in enumerate(calls(steps))
        for key, value in logged.items()
    ]
    each = MLFLOW_CALLS * 10
    for first in range(0, len(metrics), each):
        body = json.dumps({"run_id": run_id, "metrics": metrics[first : first + each]}).encode()
        yield Post("/api/2.0/mlflow/runs/log-batch", headers, body)


POSTS: dict[str, Callable[[HTTPConnection, str, int], Iterator[Post]]] = {
    "tasuki": to_tasuki,
    "trackio": to_trackio,
    "mlflow": to_mlflow,
}
