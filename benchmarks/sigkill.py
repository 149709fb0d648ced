"""How many calls that have returned are lost by SIGKILL?

A process of each tracker logs ten floats about a thousand times a second, as fast as it can if that is slower, and leaves a byte
in a file for each call that has returned. At a moment before about the 2000th call, drawn at random, it is killed. Whatever
helper processes the tracker has may finish what they do, for at most ten seconds. Then the tracker's own reader, in a new process,
after whatever recovery it has, says how many steps there are. Lost: the calls that had returned and are not found. The figure is
the median of the runs; ours has to be 0 in each. The moment is a number of calls, the same for all trackers of one run.

Two readers are not what a user gets: wandb ships none
in Python, so ours scans its log; an aim run is opened for writing, as it shows nothing else before a server has indexed it.
"""

import random
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import psutil

from benchmarks.child import ChildFailed
from benchmarks.machine import temporary_folder
from benchmarks.peer import OURS, Peer, install_trackers
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, alternate_order, build_missing_peer_rows, build_row, exactly

__all__ = ["BENCHMARK", "measure"]

MAX_CALLS = 2_000
TIMEOUT_SECONDS = 120.0
HELPER_TIMEOUT_SECONDS = 10.0


class Outcome(NamedTuple):
    """One killed process."""

    acknowledged: int
    lost: int


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Each tracker, killed several times."""
    found, missing = install_trackers(size.peers)
    moments = random.Random(11)
    outcomes: dict[str, list[Outcome]] = {tracker.name: [] for tracker in found}
    for number in range(size.runs):
        calls = moments.randint(MAX_CALLS // 20, MAX_CALLS) if size.name != "tiny" else MAX_CALLS // 20
        for tracker in alternate_order(found, number):
            with temporary_folder() as path:
                outcomes[tracker.name].append(run_and_kill(tracker, path, calls))
    rows = [build_loss_row(name, runs) for name, runs in outcomes.items()]
    return [*rows, *build_missing_peer_rows(missing)]


def build_loss_row(name: str, runs: list[Outcome]) -> ResultRow:
    """A tracker's losses."""
    note = f"{sum(run.lost for run in runs):,} lost of {sum(run.acknowledged for run in runs):,} calls in all"
    if name == OURS.name:
        return build_row(f"calls lost, {name}", [max(run.lost for run in runs)], "", exactly(0), f"at most; {note}")
    return build_row(f"calls lost, {name}", (run.lost for run in runs), "", None, note)


def run_and_kill(tracker: Peer, path: Path, calls: int) -> Outcome:
    """Start it, kill it after about so many calls, count what is there."""
    place = path / "acknowledged"
    data = path / "data"
    data.mkdir()
    child = tracker.start("endless", data, acknowledged=str(place))
    helpers: list[psutil.Process] = []
    try:
        until = monotonic() + TIMEOUT_SECONDS
        while count_returned_calls(place) < calls:
            if child.poll() is not None or monotonic() > until:
                raise ChildFailed(f"{tracker.name} made {count_returned_calls(place)} calls and ended with {child.poll()}")
            sleep(0.0005)
        helpers = psutil.Process(child.pid).children(recursive=True)
    finally:
        child.kill()
        child.wait()
        stop_helpers(helpers)
        child.communicate()
    acknowledged = count_returned_calls(place)
    return Outcome(acknowledged, max(0, acknowledged - count_found_steps(tracker, data)))


def count_found_steps(tracker: Peer, data: Path) -> int:
    """How many steps the tracker's reader finds: none if it fails at what is there."""
    try:
        return int(tracker.run("count", data)["steps"])
    except ChildFailed as error:
        if tracker is OURS:
            raise
        print(f"{tracker.name} can't read what is there: {str(error).splitlines()[-1]}")
        return 0


def count_returned_calls(call_file: Path) -> int:
    """How many calls have returned."""
    return call_file.stat().st_size if call_file.exists() else 0


def stop_helpers(helpers: list[psutil.Process]) -> None:
    """Let them finish, then kill those that have not."""
    for helper in psutil.wait_procs(helpers, timeout=HELPER_TIMEOUT_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            helper.kill()


BENCHMARK = Benchmark("How many calls that have returned are lost by SIGKILL?", __doc__, measure, is_quick=False)
