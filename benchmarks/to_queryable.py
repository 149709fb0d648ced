"""How long until 100,000 steps can be queried, how fast is one metric read, how large is it on disk?

Each run records steps of ten metrics (full-entropy float64, made beforehand) by calling `log` in a loop and `finish`, then asks
until every point is there; tasuki and its peers in turn, each in a process of its own with an empty folder, imports not counted.
Then another new process reads one metric: opens the store, finds the run, asks; as numpy arrays (`series`) and as a list of rows
(`history`; trackio: `get_metric_values`, which is what its command line and its server use). Bytes per point are those of all
files after the run has finished, for these values and (once, it hardly varies) for values born as float32; the journal is the
truth that is kept, the projection can be made again from it.
"""

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.peer import OURS, Peer, PeerMissing, peer
from benchmarks.rows import Question, Row, Size, figure, left_out, ratios
from benchmarks.workload import METRICS, Kind

__all__ = ["QUESTION", "measure"]

PEER = "trackio"
Answers = list[dict[str, Any]]


class Measured(NamedTuple):
    """One tracker's runs: what `record` and `read` answered, and `record` with values born as float32."""

    record: Answers
    read: Answers
    record_float32: Answers


def measure(size: Size) -> list[Row]:
    """Times beside the peer's, then sizes."""
    trackers = [OURS]
    why = ""
    try:
        trackers.append(peer(PEER))
    except PeerMissing as error:
        why = str(error)
    rows = []
    for steps in size.steps:
        measured = in_turn(trackers, steps, size.runs)
        us = measured[OURS.name]
        rows += ours(steps, us)
        rows += theirs(steps, measured[PEER], us) if PEER in measured else [left_out(f"{PEER}, {steps:,} steps", "s", why)]
        for name, runs in measured.items():
            rows += sizes(name, steps, runs)
    return rows


def in_turn(trackers: list[Peer], steps: int, runs: int) -> dict[str, Measured]:
    """Every tracker's runs, one of each after the other."""
    measured = {tracker.name: Measured([], [], []) for tracker in trackers}
    for _ in range(runs):
        for tracker in trackers:
            one_run(tracker, measured[tracker.name], steps)
    return measured


def one_run(tracker: Peer, measured: Measured, steps: int) -> None:
    """Record and read; the first time also record other values."""
    with folder() as path:
        measured.record.append(do("record", tracker, path, steps))
        answer = do("read", tracker, path, steps)
    if answer["points"] != steps:
        raise RuntimeError(f"{answer['points']} points of {steps} came back")
    measured.read.append(answer)
    if not measured.record_float32:
        with folder() as path:
            measured.record_float32.append(do("record", tracker, path, steps, Kind.FLOAT32))


def do(what: str, tracker: Peer, path: Path, steps: int, kind: Kind = Kind.FLOAT64) -> dict[str, Any]:
    """Have a tracker's adapter do its part."""
    work = {"do": what, "folder": str(path), "steps": steps, "kind": kind, "metric": METRICS[0]}
    return dict(ask(tracker.adapter, work, python=tracker.python))


def ours(steps: int, measured: Measured) -> list[Row]:
    """What tasuki takes, and where."""
    parts = {"log": "of it log()", "finish": "of it finish(), which seals", "query": "of it the store's catching up"}
    return [
        figure(f"tasuki, {steps:,} steps from init to queryable", column(measured.record, "whole"), "s"),
        *(figure(name, column(measured.record, part), "s") for part, name in parts.items()),
        figure(
            f"tasuki, one metric of {steps:,} points as arrays", milliseconds(measured.read, "arrays"), "ms", None, "to become ≤ 8"
        ),
        figure(f"tasuki, one metric of {steps:,} points as rows", milliseconds(measured.read, "rows"), "ms"),
    ]


def theirs(steps: int, measured: Measured, us: Measured) -> list[Row]:
    """What the peer takes, and how many times that is ours."""
    name = f"{PEER} {measured.record[0]['version']}"
    whole, rows = column(measured.record, "whole"), milliseconds(measured.read, "rows")
    return [
        figure(f"{name}, {steps:,} steps from init to queryable", whole, "s"),
        figure("of it log()", column(measured.record, "log"), "s"),
        figure(f"{name}, one metric of {steps:,} points as rows", rows, "ms"),
        figure("to queryable, by ours", ratios(whole, column(us.record, "whole")), "×", None, "to become ≥ 8"),
        figure("reading rows, by ours", ratios(rows, milliseconds(us.read, "rows")), "×"),
        figure("reading rows, by our arrays", ratios(rows, milliseconds(us.read, "arrays")), "×"),
    ]


def sizes(name: str, steps: int, measured: Measured) -> list[Row]:
    """Bytes per point of each kind of file."""
    points = steps * len(METRICS)
    return [
        figure(f"{name}, {part}, {kind} values", (run["bytes"][part] / points for run in runs), "B/point")
        for kind, runs in ((Kind.FLOAT64, measured.record), (Kind.FLOAT32, measured.record_float32))
        for part in runs[0]["bytes"]
    ]


def column(answers: Answers, key: str) -> list[float]:
    """One figure of all runs."""
    return [answer[key] for answer in answers]


def milliseconds(answers: Answers, way: str) -> list[float]:
    """How long reading took, of all runs."""
    return [answer["milliseconds"][way] for answer in answers]


QUESTION = Question("How long until a run can be queried, and how large is it?", __doc__, measure)
