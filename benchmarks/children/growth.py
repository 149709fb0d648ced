"""A training process of 100,000 steps: how much its memory grows, and what it has imported."""

import os
import sys
from pathlib import Path
from typing import Any

import tasuki
from benchmarks.child import job, tell
from benchmarks.workload import METRICS


def resident() -> float:
    """Megabytes of memory in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def grow(work: dict[str, Any]) -> dict[str, Any]:
    """Log steps whose values are made on the way, so that nothing but tasuki keeps anything."""
    run = tasuki.init(project="bench", dir=work["folder"])
    before = highest = resident()
    for step in range(work["steps"]):
        run.log({metric: step / (place + 3) for place, metric in enumerate(METRICS)}, step=step)
        if step % 1000 == 0:
            highest = max(highest, resident())
    run.finish()
    return {"grown": max(highest, resident()) - before, "resident": before, "modules": sorted(sys.modules)}


if __name__ == "__main__":
    tell(grow(job()))
