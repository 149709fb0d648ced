"""What does a correction cost while the server does not answer?

The remote accepts connections and never answers. Each process opens the brain and makes 1000 corrections, with a pause of a
millisecond between; a call's time is what `brain.correct()` takes, and the first call's is shown apart too. First one process alone
with an empty folder, then four with one folder, in which ten thousand notes of a dead process wait to be sent.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.child import run_child, start_child, stop_children, wait_for_result
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row, compute_percentile

__all__ = ["BENCHMARK", "measure"]

CHILD_MODULE = "benchmarks.children.corrections"
CALL_COUNT = 1000
BACKLOG = 10_000
PROCESS_COUNT = 4


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Percentiles of the calls, alone and among four with a backlog."""
    alone: list[list[float]] = []
    crowded: list[list[float]] = []
    with temporary_folder() as place, run_silent_server() as url:
        for number in range(size.runs):
            alone.append(
                run_child(
                    CHILD_MODULE, {"folder": str(place / f"alone{number}"), "remote": url, "calls": CALL_COUNT, "pause": 0.001}
                )
            )
            shared = {"folder": str(place / f"shared{number}"), "remote": url}
            run_child(CHILD_MODULE, shared | {"calls": BACKLOG, "pause": 0})
            children = [start_child(CHILD_MODULE, shared | {"calls": CALL_COUNT, "pause": 0.001}) for _ in range(PROCESS_COUNT)]
            try:
                crowded += [wait_for_result(child) for child in children]
            finally:
                stop_children(children)
    return build_rows("alone", alone) + build_rows(f"{PROCESS_COUNT} processes, {BACKLOG:,} waiting", crowded)


def build_rows(name: str, runs: list[list[float]]) -> list[ResultRow]:
    """What the calls of each process took, in milliseconds."""
    return [
        build_row(f"correct() p50, {name}", (compute_percentile(took, 50) for took in runs), "ms"),
        build_row(f"correct() p99, {name}", (compute_percentile(took, 99) for took in runs), "ms", at_most(1)),
        build_row(f"slowest correct(), {name}", (max(took) for took in runs), "ms", at_most(50)),
        build_row(f"first correct(), {name}", (took[0] for took in runs), "ms", at_most(100)),
    ]


@contextmanager
def run_silent_server() -> Iterator[str]:
    """A server that takes everything and never answers, for the block; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept_connections() -> None:
        with suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    thread = threading.Thread(target=accept_connections)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in (listener, *taken):
            connection.close()


BENCHMARK = Benchmark("What does a correction cost while the server does not answer?", __doc__, measure)
