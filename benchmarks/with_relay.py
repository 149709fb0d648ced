"""Does the relay thread slow the training down?

One process computes in pure Python and logs ten floats between, some thousand times a second, without ever waiting: its relay
has to ask for the interpreter each time. It runs twice in each pair, in changing order: without a remote, and with a real server
in a process of its own, to which its relay sends once a second. A call's time is what `run.log()` takes. With the server up and
everything sent at the end, the reply's `pending` has to be 0.
"""

from typing import Any

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, exactly, figure, percentile
from benchmarks.serving import serving

__all__ = ["QUESTION", "measure"]


def measure(size: Size) -> list[Row]:
    """Percentiles with and without the relay."""
    alone: list[dict[str, Any]] = []
    relayed: list[dict[str, Any]] = []
    with folder() as place, serving(place / "server") as url:
        for number in range(size.runs):
            for remote in (None, url) if number % 2 == 0 else (url, None):
                work = {"folder": str(place / f"run{number}{remote is None}"), "remote": remote, "seconds": size.seconds}
                (alone if remote is None else relayed).append(ask("benchmarks.children.busy", work))
    without, with_it = ([percentile([ns / 1000 for ns in run["took"]], 99.9) for run in runs] for runs in (alone, relayed))
    return [
        figure("log() p50, alone", (percentile([ns / 1000 for ns in run["took"]], 50) for run in alone), "µs"),
        figure("log() p50, with the relay on", (percentile([ns / 1000 for ns in run["took"]], 50) for run in relayed), "µs"),
        figure("log() p99.9, alone", without, "µs"),
        figure("log() p99.9, with the relay on", with_it, "µs", at_most(100)),
        figure("calls per second", (run["rate"] for run in relayed), "1/s"),
        figure("records not acknowledged at the end", [sum(run["pending"] for run in relayed)], "", exactly(0)),
    ]


QUESTION = Question("Does the relay slow log() down?", __doc__, measure)
