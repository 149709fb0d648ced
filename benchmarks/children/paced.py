"""One of many training processes: logs at a steady rate and notes how long each call took."""

from time import monotonic, perf_counter_ns, sleep
from typing import Any

import tasuki
from benchmarks.child import print_result, read_job
from benchmarks.workload import build_calls


def run_paced_training(work: dict[str, Any]) -> dict[str, Any]:
    """Log from the agreed moment on; when each call began (seconds from that moment), how long it took, and when all were done."""
    calls = build_calls(work["calls"])
    began, took = [], []
    with tasuki.init(project="bench", name=work["name"], dir=work["folder"]) as run:
        for step, metrics in enumerate(calls):
            due = work["start"] + step / work["rate"]
            while (early := due - monotonic()) > 0:
                sleep(early)
            began.append(monotonic() - work["start"])
            before = perf_counter_ns()
            run.log(metrics, step=step)
            took.append(perf_counter_ns() - before)
        ended = monotonic()
    return {"began": began, "took": took, "ended": ended - work["start"]}


if __name__ == "__main__":
    print_result(run_paced_training(read_job()))
