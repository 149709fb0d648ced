"""Requests that are ready to be posted: one run of ten metrics, as each server's own clients send it in bulk."""

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import msgspec

from benchmarks.streams import PROJECT, iter_calls, iter_items
from tasuki.records import ReplicateRequest

__all__ = ["REQUEST_BUILDERS", "WRITE_TOKEN", "PostRequest", "send_request"]

WRITE_TOKEN = "for-the-benchmark"
ENTRIES_PER_REQUEST = 1_000
MLFLOW_CALLS_PER_REQUEST = 100
"""MLflow takes at most 1000 metrics in a request."""


class PostRequest(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


def send_request(connection: HTTPConnection, request: PostRequest) -> bytes:
    """Send it, and read the answer. SystemExit if it is refused."""
    connection.request("POST", request.path, request.body, request.headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{request.path}: {answer.status} {content[:300]!r}")
    return content


def build_tasuki_requests(_: HTTPConnection, run: str, steps: int) -> Iterator[PostRequest]:
    """An item below 1 MiB in each."""
    for item in iter_items(run, iter_calls(steps)):
        body = msgspec.msgpack.encode(ReplicateRequest(items=[item]))
        yield PostRequest("/api/v1/replicate", {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}, body)


def build_trackio_requests(_: HTTPConnection, run: str, steps: int) -> Iterator[PostRequest]:
    """A thousand calls in each."""
    headers = {"Content-Type": "application/json", "X-Trackio-Write-Token": WRITE_TOKEN}
    entries = [
        {"project": PROJECT, "run": run, "metrics": metrics, "step": step, "config": None, "log_id": f"{run}-{step}"}
        for step, metrics in enumerate(iter_calls(steps))
    ]
    for first in range(0, steps, ENTRIES_PER_REQUEST):
        work: dict[str, Any] = {"args": [], "kwargs": {"logs": entries[first : first + ENTRIES_PER_REQUEST], "hf_token": None}}
        yield PostRequest("/api/bulk_log", headers, json.dumps(work).encode())


def build_mlflow_requests(connection: HTTPConnection, run: str, steps: int) -> Iterator[PostRequest]:
    """A hundred calls of ten metrics in each, to a run that is made first."""
    headers = {"Content-Type": "application/json"}
    create = PostRequest(
        "/api/2.0/mlflow/runs/create", headers, json.dumps({"experiment_id": "0", "run_name": run, "start_time": 1}).encode()
    )
    run_id = json.loads(send_request(connection, create))["run"]["info"]["run_id"]
    metrics = [
        {"key": key, "value": value, "timestamp": 1_800_000_000_000 + step, "step": step}
        for step, logged in enumerate(iter_calls(steps))
        for key, value in logged.items()
    ]
    each = MLFLOW_CALLS_PER_REQUEST * 10
    for first in range(0, len(metrics), each):
        body = json.dumps({"run_id": run_id, "metrics": metrics[first : first + each]}).encode()
        yield PostRequest("/api/2.0/mlflow/runs/log-batch", headers, body)


REQUEST_BUILDERS: dict[str, Callable[[HTTPConnection, str, int], Iterator[PostRequest]]] = {
    "tasuki": build_tasuki_requests,
    "trackio": build_trackio_requests,
    "mlflow": build_mlflow_requests,
}
