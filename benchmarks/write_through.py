"""What does a correction cost while the server does not answer?

The remote accepts connections and never answers. Each process opens the brain and makes 1000 corrections, with a pause of a
millisecond between; a call's time is what `brain.correct()` takes, and the first call's is shown apart too. First one process alone
with an empty folder, then four with one folder, in which ten thousand notes of a dead process wait to be sent.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.child import answer_of, ask, start, stop
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure, percentile

__all__ = ["QUESTION", "measure"]

MODULE = "benchmarks.children.corrections"
CALLS = 1000
BACKLOG = 10_000
PROCESSES = 4


def measure(size: Size) -> list[Row]:
    """Percentiles of the calls, alone and among four with a backlog."""
    alone: list[list[float]] = []
    crowded: list[list[float]] = []
    with folder() as place, black_hole() as url:
        for number in range(size.runs):
            alone.append(ask(MODULE, {"folder": str(place / f"alone{number}"), "remote": url, "calls": CALLS, "pause": 0.001}))
            shared = {"folder": str(place / f"shared{number}"), "remote": url}
            ask(MODULE, shared | {"calls": BACKLOG, "pause": 0})
            children = [start(MODULE, shared | {"calls": CALLS, "pause": 0.001}) for _ in range(PROCESSES)]
            try:
                crowded += [answer_of(child) for child in children]
            finally:
                stop(children)
    return rows("alone", alone) + rows(f"{PROCESSES} processes, {BACKLOG:,} waiting", crowded)


def rows(name: str, runs: list[list[float]]) -> list[Row]:
    """What the calls of each process took, in milliseconds."""
    return [
        figure(f"correct() p50, {name}", (percentile(took, 50) for took in runs), "ms"),
        figure(f"correct() p99, {name}", (percentile(took, 99) for took in runs), "ms", at_most(1)),
        figure(f"slowest correct(), {name}", (max(took) for took in runs), "ms", at_most(50)),
        figure(f"first correct(), {name}", (took[0] for took in runs), "ms", at_most(100)),
    ]


@contextmanager
def black_hole() -> Iterator[str]:
    """A server that takes everything and never answers, for the block; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in (listener, *taken):
            connection.close()


QUESTION = Question("What does a correction cost while the server does not answer?", __doc__, measure)
