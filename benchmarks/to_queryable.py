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
from benchmarks.machine import temporary_folder
from benchmarks.peer import OURS, Peer, install_trackers
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
from benchmarks.workload import METRICS, Precision

__all__ = ["BENCHMARK", "measure"]

THRESHOLDS = {"trackio": at_least(8), "mlflow": at_least(200)}
READ_THRESHOLDS = {"arrays": at_most(8)}
PHASES = {"log": "of it log()", "finish": "of it finish()", "query": "of it until all is found"}
ChildResults = list[dict[str, Any]]


class TrackerRuns(NamedTuple):
    """One tracker's runs: what `record` and `read` answered, and `record` with values born as float32."""

    steps: int
    record: ChildResults
    read: ChildResults
    record_float32: ChildResults

    def list_seconds(self, key: str) -> list[float]:
        """Seconds of all runs."""
        return [run[key] for run in self.record]

    def list_read_milliseconds(self, way: str) -> list[float]:
        """Milliseconds of all runs."""
        return [run["milliseconds"][way] for run in self.read]

    @property
    def step_microseconds(self) -> list[float]:
        """Microseconds of a step from init to queryable."""
        return [run["whole"] / self.steps * 1e6 for run in self.record]


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Times beside the peers', then sizes."""
    found, missing = install_trackers(size.peers)
    measured = {tracker.name: TrackerRuns(min(size.steps, tracker.steps), [], [], []) for tracker in found}
    for number in range(size.runs):
        for tracker in alternate_order(found, number):
            if tracker.name in measured:
                try:
                    measure_tracker(tracker, measured[tracker.name])
                except ChildFailed as error:
                    if tracker is OURS:
                        raise
                    del measured[tracker.name]
                    missing[tracker.name] = error.last_line
    us = measured[OURS.name]
    rows = [row for name, runs in measured.items() for row in build_time_rows(name, runs)]
    rows += [row for name, runs in measured.items() if runs is not us for row in build_ratio_rows(name, runs, us)]
    rows += [row for name, runs in measured.items() for row in build_size_rows(name, runs)]
    return [*rows, *build_missing_peer_rows(missing)]


def measure_tracker(tracker: Peer, tracker_runs: TrackerRuns) -> None:
    """Record and read; the first time also record other values."""
    with temporary_folder() as path:
        tracker_runs.record.append(tracker.run("record", path, steps=tracker_runs.steps, kind=Precision.FLOAT64))
        answer = tracker.run("read", path)
    if answer["points"] != [tracker_runs.steps]:
        raise ChildFailed(f"{tracker.name}: {answer['points']} points of {tracker_runs.steps} came back")
    tracker_runs.read.append(answer)
    if not tracker_runs.record_float32:
        with temporary_folder() as path:
            tracker_runs.record_float32.append(tracker.run("record", path, steps=tracker_runs.steps, kind=Precision.FLOAT32))


def build_time_rows(name: str, tracker_runs: TrackerRuns) -> list[ResultRow]:
    """What a tracker takes, and where."""
    label = f"{name} {tracker_runs.record[0]['version']}"
    bars = READ_THRESHOLDS if name == OURS.name else {}
    return [
        build_row(f"{label}, {tracker_runs.steps:,} steps from init to queryable", tracker_runs.list_seconds("whole"), "s"),
        build_row(f"per step, {label}", tracker_runs.step_microseconds, "µs"),
        *(build_row(part, tracker_runs.list_seconds(key), "s") for key, part in PHASES.items()),
        *(
            build_row(
                f"{label}, one metric of {tracker_runs.steps:,} points as {way}",
                tracker_runs.list_read_milliseconds(way),
                "ms",
                bars.get(way),
            )
            for way in tracker_runs.read[0]["milliseconds"]
        ),
    ]


def build_ratio_rows(name: str, tracker_runs: TrackerRuns, tasuki_runs: TrackerRuns) -> list[ResultRow]:
    """How many times ours a peer takes."""
    rows = [
        build_row(
            f"{name} to queryable, per step by ours",
            compute_ratios(tracker_runs.step_microseconds, tasuki_runs.step_microseconds),
            "×",
            THRESHOLDS.get(name),
        )
    ]
    if tracker_runs.steps == tasuki_runs.steps:
        theirs = tracker_runs.list_read_milliseconds("rows")
        rows.append(
            build_row(f"{name} reading rows, by our rows", compute_ratios(theirs, tasuki_runs.list_read_milliseconds("rows")), "×")
        )
        rows.append(
            build_row(
                f"{name} reading rows, by our arrays", compute_ratios(theirs, tasuki_runs.list_read_milliseconds("arrays")), "×"
            )
        )
    return rows


def build_size_rows(name: str, tracker_runs: TrackerRuns) -> list[ResultRow]:
    """Bytes per point of each kind of file."""
    points = tracker_runs.steps * len(METRICS)
    return [
        build_row(f"{name}, {part}, {kind} values", (run["bytes"][part] / points for run in runs), "B/point")
        for kind, runs in ((Precision.FLOAT64, tracker_runs.record), (Precision.FLOAT32, tracker_runs.record_float32))
        for part in runs[0]["bytes"]
    ]


BENCHMARK = Benchmark("How long until a run can be queried, and how large is it?", __doc__, measure)
