"""How many points a second does a server receive over HTTP?

Eight runs of ten metrics, made beforehand as requests, are posted at once over a connection each by one process, to one server
process on loopback with an empty folder: tasuki's (items below 1 MiB, as a relay sends them), trackio's (`bulk_log`, 1000 calls
in each) and MLflow's (SQLite store, one worker, `log-batch` with 1000 metrics, the most that it takes). The clock runs from the
first request until everything is acknowledged and projected, that is, can be asked for. Meanwhile another process asks tasuki's
server for `meta` about 200 times a second. The servers are measured in turn in each run, and the slower get fewer points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.child import run_child, start_child, stop_children, wait_for_result
from benchmarks.machine import temporary_folder
from benchmarks.peer import OURS, Peer, install_trackers
from benchmarks.posts import WRITE_TOKEN
from benchmarks.rows import (
    Benchmark,
    BenchmarkSize,
    ResultRow,
    alternate_order,
    at_least,
    at_most,
    build_missing_peer_rows,
    build_row,
    compute_ratios,
)
from benchmarks.serving import find_free_port, run_other_server, run_server

__all__ = ["BENCHMARK", "measure"]

STREAM_COUNT = 8
SENDER_MODULE = "benchmarks.children.sender"
STEPS = {"tasuki": 50_000, "trackio": 2_000, "mlflow": 200}
"""Of each run; so that each server has seconds to do."""
THRESHOLDS = {"trackio": at_least(10), "mlflow": at_least(200)}


class ServerRates(NamedTuple):
    """One server's runs: points per second until acknowledged and until projected, and how long `meta` took."""

    acknowledged: list[float]
    projected: list[float]
    meta: list[dict[str, Any]]


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Points per second of each server, and the ratios."""
    found, missing = install_trackers(name for name in size.peers if name in STEPS)
    received = {tracker.name: ServerRates([], [], []) for tracker in found}
    for number in range(size.runs):
        for tracker in alternate_order(found, number):
            measure_server(tracker, received[tracker.name], min(STEPS[tracker.name], size.steps))
    us = received[OURS.name]
    rows = [
        build_row(
            "received by tasuki", [rate / 1e3 for rate in us.projected], "k points/s", at_least(1_000), "durable and projected"
        ),
        build_row("durable at tasuki", [rate / 1e3 for rate in us.acknowledged], "k points/s"),
        build_row("tasuki's meta p99 meanwhile", (run["p99"] for run in us.meta), "ms", at_most(20)),
        build_row("tasuki's meta p50 meanwhile", (run["p50"] for run in us.meta), "ms"),
    ]
    for name, runs in received.items():
        if runs is not us:
            rows.append(build_row(f"received by {name}", [rate / 1e3 for rate in runs.projected], "k points/s"))
            rows.append(build_row(f"ours by {name}", compute_ratios(us.projected, runs.projected), "×", THRESHOLDS[name]))
    return [*rows, *build_missing_peer_rows(missing)]


def measure_server(tracker: Peer, rates: ServerRates, steps: int) -> None:
    """Start the server, send, stop it."""
    with temporary_folder() as path, run_tracker_server(tracker, path / "data") as port:
        work = {"tracker": tracker.name, "port": port, "ready": str(path / "ready"), "stop": str(path / "stop")}
        asker = start_child(SENDER_MODULE, {**work, "do": "meta"}) if tracker is OURS else None
        try:
            sent = run_child(SENDER_MODULE, {**work, "do": "send", "streams": STREAM_COUNT, "steps": steps})
            (path / "stop").touch()
            if asker:
                rates.meta.append(wait_for_result(asker))
        finally:
            stop_children([asker] if asker else [])
    rates.acknowledged.append(sent["points"] / sent["acknowledged"])
    rates.projected.append(sent["points"] / sent["whole"])


@contextmanager
def run_tracker_server(tracker: Peer, data: Path) -> Iterator[int]:
    """The tracker's server over a folder; its port."""
    data.mkdir()
    if tracker is OURS:
        with run_server(data) as url:
            yield int(urlsplit(url).port or 0)
        return
    port = find_free_port()
    with run_other_server(
        build_server_command(tracker, data, port), {**tracker.build_variables(data), "TRACKIO_WRITE_TOKEN": WRITE_TOKEN}, port
    ):
        yield port


def build_server_command(tracker: Peer, data: Path, port: int) -> list[str]:
    """How a peer's server is started."""
    if tracker.name == "trackio":
        return [str(tracker.python), "-m", "benchmarks.children.trackio_server", str(port)]
    store = f"--backend-store-uri=sqlite:///{data}/mlflow.db"
    return [str(tracker.python.with_name("mlflow")), "server", store, "--host=127.0.0.1", f"--port={port}", "--workers=1"]


BENCHMARK = Benchmark("How many points a second does a server receive over HTTP?", __doc__, measure, is_quick=False)
