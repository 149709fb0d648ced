"""How long until 100,000 steps can be queried, how fast is one metric read, how large is it on disk?

Each run records steps of ten metrics (full-entropy float64, made beforehand) by calling `log` in a loop and `finish`, then asks
until every point is there; tasuki and its peers in turn, every other time the other way round, each in a process of its own with an
empty folder, imports and the making of an empty database not counted. Slow peers record fewer steps; ratios are those of the time
per step.
Then another new process reads one metric: opens the store, finds the run, asks; tasuki as numpy arrays (`series`) and as a list
of rows (`history`), the peers by the reader that their own command line or server uses. Bytes per point are those of all
files after the run has finished, for these values and (once, it hardly varies) for values born as float32; tasuki's journal is the
truth that is kept, its projection can be made again from it.

A peer that does not find every step within a minute is left out, with what it said. Two readers are not what a user gets: wandb
ships none in Python, so ours scans its log; an aim run is opened for writing, as it shows nothing else before a server has indexed
it.
"""

from typing import Any, NamedTuple

from benchmarks.child import ChildFailed
from benchmarks.machine import folder
from benchmarks.peer import OURS, Peer, trackers
from benchmarks.rows import Question, Row, Size, at_least, at_most, figure, in_turn, not_installed, ratios
from benchmarks.workload import METRICS, Kind

__all__ = ["QUESTION", "measure"]

BARS = {"trackio": at_least(8), "mlflow": at_least(200)}
READ_BARS = {"arrays": at_most(8)}
PARTS = {"log": "of it log()", "finish": "of it finish()", "query": "of it until all is found"}
Answers = list[dict[str, Any]]


class Measured(NamedTuple):
    """One tracker's runs: what `record` and `read` answered, and `record` with values born as float32."""

    steps: int
    record: Answers
    read: Answers
    record_float32: Answers

    def column(self, key: str) -> list[float]:
        """Seconds of all runs."""
        return [run[key] for run in self.record]

    def reading(self, way: str) -> list[float]:
        """Milliseconds of all runs."""
        return [run["milliseconds"][way] for run in self.read]

    @property
    def per_step(self) -> list[float]:
        """Microseconds of a step from init to queryable."""
        return [run["whole"] / self.steps * 1e6 for run in self.record]


def measure(size: Size) -> list[Row]:
    """Times beside the peers', then sizes."""
    found, missing = trackers(size.peers)
    measured = {tracker.name: Measured(min(size.steps, tracker.steps), [], [], []) for tracker in found}
    for number in range(size.runs):
        for tracker in in_turn(found, number):
            if tracker.name in measured:
                try:
                    one_run(tracker, measured[tracker.name])
                except ChildFailed as error:
                    if tracker is OURS:
                        raise
                    del measured[tracker.name]
                    missing[tracker.name] = error.last_line
    us = measured[OURS.name]
    rows = [row for name, runs in measured.items() for row in times(name, runs)]
    rows += [row for name, runs in measured.items() if runs is not us for row in by_ours(name, runs, us)]
    rows += [row for name, runs in measured.items() for row in sizes(name, runs)]
    return [*rows, *not_installed(missing)]


def one_run(tracker: Peer, measured: Measured) -> None:
    """Record and read; the first time also record other values."""
    with folder() as path:
        measured.record.append(tracker.ask("record", path, steps=measured.steps, kind=Kind.FLOAT64))
        answer = tracker.ask("read", path)
    if answer["points"] != [measured.steps]:
        raise ChildFailed(f"{tracker.name}: {answer['points']} points of {measured.steps} came back")
    measured.read.append(answer)
    if not measured.record_float32:
        with folder() as path:
            measured.record_float32.append(tracker.ask("record", path, steps=measured.steps, kind=Kind.FLOAT32))


def times(name: str, measured: Measured) -> list[Row]:
    """What a tracker takes, and where."""
    label = f"{name} {measured.record[0]['version']}"
    bars = READ_BARS if name == OURS.name else {}
    return [
        figure(f"{label}, {measured.steps:,} steps from init to queryable", measured.column("whole"), "s"),
        figure(f"per step, {label}", measured.per_step, "µs"),
        *(figure(part, measured.column(key), "s") for key, part in PARTS.items()),
        *(
            figure(f"{label}, one metric of {measured.steps:,} points as {way}", measured.reading(way), "ms", bars.get(way))
            for way in measured.read[0]["milliseconds"]
        ),
    ]


def by_ours(name: str, measured: Measured, us: Measured) -> list[Row]:
    """How many times ours a peer takes."""
    rows = [figure(f"{name} to queryable, per step by ours", ratios(measured.per_step, us.per_step), "×", BARS.get(name))]
    if measured.steps == us.steps:
        theirs = measured.reading("rows")
        rows.append(figure(f"{name} reading rows, by our rows", ratios(theirs, us.reading("rows")), "×"))
        rows.append(figure(f"{name} reading rows, by our arrays", ratios(theirs, us.reading("arrays")), "×"))
    return rows


def sizes(name: str, measured: Measured) -> list[Row]:
    """Bytes per point of each kind of file."""
    points = measured.steps * len(METRICS)
    return [
        figure(f"{name}, {part}, {kind} values", (run["bytes"][part] / points for run in runs), "B/point")
        for kind, runs in ((Kind.FLOAT64, measured.record), (Kind.FLOAT32, measured.record_float32))
        for part in runs[0]["bytes"]
    ]


QUESTION = Question("How long until a run can be queried, and how large is it?", __doc__, measure)
