"""A training process of 100,000 steps: how much its memory grows, and what it has imported."""

import os
import sys
from pathlib import Path
from typing import Any

import tasuki
from benchmarks.child import print_result, read_job
from benchmarks.workload import METRICS


def get_resident_megabytes() -> float:
    """Megabytes of memory in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_growth(work: dict[str, Any]) -> dict[str, Any]:
    """Log steps whose values are made on the way, so that nothing but tasuki keeps anything."""
    run = tasuki.init(project="bench", dir=work["folder"])
    before = highest = get_resident_megabytes()
    for step in range(work["steps"]):
        run.log({metric: step / (place + 3) for place, metric in enumerate(METRICS)}, step=step)
        if step % 1000 == 0:
            highest = max(highest, get_resident_megabytes())
    run.finish()
    return {"grown": max(highest, get_resident_megabytes()) - before, "resident": before, "modules": sorted(sys.modules)}


if __name__ == "__main__":
    print_result(measure_growth(read_job()))
