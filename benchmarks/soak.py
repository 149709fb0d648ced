"""What is lost in ten minutes of kills and faults?

Schedules drawn from three seeds, each anew in its own folders: four clients at a time (trainings, and brains that note) send to one
server through a proxy that loses, halves and doubles one answer in five, or puts another in its place. At random moments a client
or the server is killed, and started again. At the end what the dead have left is sent, and everything that was acknowledged to a
client has to be on the server, once, exactly; both sides are checked byte by byte, and the database by its own check.
The schedules are those of `make soak`.
"""

import json
import random
import subprocess
import sys
from typing import Any

from benchmarks.child import ROOT, ChildFailed, build_environment
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_least, build_row, exactly

__all__ = ["BENCHMARK", "measure"]

SEED_COUNT = 3
SECONDS, TINY_SECONDS = 220, 5
MIN_KILLS = 300
SUMMED_COUNTS = ("clients", "clients_killed", "servers_killed", "faults", "acknowledged")


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """The counts of all schedules together."""
    tiny = size.name == "tiny"
    played = [run_schedule(random.randrange(10**9), TINY_SECONDS if tiny else SECONDS) for _ in range(1 if tiny else SEED_COUNT)]
    seeds = ", ".join(str(counts["seed"]) for counts in played)
    total = {name: sum(counts[name] for counts in played) for name in SUMMED_COUNTS}
    kills = total["clients_killed"] + total["servers_killed"]
    killed = f"{total['clients_killed']:,} clients of {total['clients']:,}, the server {total['servers_killed']:,} times"
    return [
        build_row("kills", [kills], "", None if tiny else at_least(MIN_KILLS), killed),
        build_row("answers lost, halved, doubled or replaced", [total["faults"]], ""),
        build_row("calls acknowledged", [total["acknowledged"]], "", None, f"seeds {seeds}"),
        build_row("acknowledged and lost", [counts["lost"] for counts in played], "", exactly(0)),
        build_row("there twice", [counts["doubled"] for counts in played], "", exactly(0)),
    ]


def run_schedule(seed: int, seconds: int) -> dict[str, Any]:
    """One schedule. ChildFailed when anything is lost, doubled or damaged."""
    command = [sys.executable, "-m", "tests.support.chaos_schedule", "--seeds", str(seed), "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, env=build_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildFailed(f"seed {seed}: {done.stderr.strip()}")
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return counts


BENCHMARK = Benchmark("What is lost in ten minutes of kills and faults?", __doc__, measure, is_quick=False)
