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

from benchmarks.child import answer_of, ask, start, stop
from benchmarks.machine import folder
from benchmarks.peer import OURS, Peer, trackers
from benchmarks.posts import WRITE_TOKEN
from benchmarks.rows import Question, Row, Size, at_least, at_most, figure, in_turn, not_installed, ratios
from benchmarks.serving import answering, free_port, serving

__all__ = ["QUESTION", "measure"]

STREAMS = 8
SENDER = "benchmarks.children.sender"
STEPS = {"tasuki": 50_000, "trackio": 2_000, "mlflow": 200}
"""Of each run; so that each server has seconds to do."""
BARS = {"trackio": at_least(10), "mlflow": at_least(200)}


class Received(NamedTuple):
    """One server's runs: points per second until acknowledged and until projected, and how long `meta` took."""

    acknowledged: list[float]
    whole: list[float]
    meta: list[dict[str, Any]]


def measure(size: Size) -> list[Row]:
    """Points per second of each server, and the ratios."""
    found, missing = trackers(name for name in size.peers if name in STEPS)
    received = {tracker.name: Received([], [], []) for tracker in found}
    for number in range(size.runs):
        for tracker in in_turn(found, number):
            one_run(tracker, received[tracker.name], min(STEPS[tracker.name], size.steps))
    us = received[OURS.name]
    rows = [
        figure("received by tasuki", [rate / 1e3 for rate in us.whole], "k points/s", at_least(1_000), "durable and projected"),
        figure("durable at tasuki", [rate / 1e3 for rate in us.acknowledged], "k points/s"),
        figure("tasuki's meta p99 meanwhile", (run["p99"] for run in us.meta), "ms", at_most(20)),
        figure("tasuki's meta p50 meanwhile", (run["p50"] for run in us.meta), "ms"),
    ]
    for name, runs in received.items():
        if runs is not us:
            rows.append(figure(f"received by {name}", [rate / 1e3 for rate in runs.whole], "k points/s"))
            rows.append(figure(f"ours by {name}", ratios(us.whole, runs.whole), "×", BARS[name]))
    return [*rows, *not_installed(missing)]


def one_run(tracker: Peer, received: Received, steps: int) -> None:
    """Start the server, send, stop it."""
    with folder() as path, served(tracker, path / "data") as port:
        work = {"tracker": tracker.name, "port": port, "ready": str(path / "ready"), "stop": str(path / "stop")}
        asker = start(SENDER, {**work, "do": "meta"}) if tracker is OURS else None
        try:
            sent = ask(SENDER, {**work, "do": "send", "streams": STREAMS, "steps": steps})
            (path / "stop").touch()
            if asker:
                received.meta.append(answer_of(asker))
        finally:
            stop([asker] if asker else [])
    received.acknowledged.append(sent["points"] / sent["acknowledged"])
    received.whole.append(sent["points"] / sent["whole"])


@contextmanager
def served(tracker: Peer, data: Path) -> Iterator[int]:
    """The tracker's server over a folder; its port."""
    data.mkdir()
    if tracker is OURS:
        with serving(data) as url:
            yield int(urlsplit(url).port or 0)
        return
    port = free_port()
    with answering(command(tracker, data, port), {**tracker.extra(data), "TRACKIO_WRITE_TOKEN": WRITE_TOKEN}, port):
        yield port


def command(tracker: Peer, data: Path, port: int) -> list[str]:
    """How a peer's server is started."""
    if tracker.name == "trackio":
        return [str(tracker.python), "-m", "benchmarks.children.trackio_server", str(port)]
    store = f"--backend-store-uri=sqlite:///{data}/mlflow.db"
    return [str(tracker.python.with_name("mlflow")), "server", store, "--host=127.0.0.1", f"--port={port}", "--workers=1"]


QUESTION = Question("How many points a second does a server receive over HTTP?", __doc__, measure, quick=False)
