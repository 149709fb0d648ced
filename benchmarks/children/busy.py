"""A training process that is always busy: pure Python between calls, so that it never gives the interpreter away by itself."""

from time import monotonic, perf_counter_ns
from typing import Any

import tasuki
from benchmarks.child import print_result, read_job
from benchmarks.workload import build_calls

SPIN_ITERATIONS = 2_000


def run_busy_training(work: dict[str, Any]) -> dict[str, Any]:
    """Compute and log for `seconds`; how long each call took, what was sent, and in how many calls per second."""
    calls, took, step, total = build_calls(1_000), [], 0, 0
    with tasuki.init(project="bench", dir=work["folder"], remote=work["remote"]) as run:
        run.log(calls[0], step=0)
        began = monotonic()
        while monotonic() - began < work["seconds"]:
            for number in range(SPIN_ITERATIONS):
                total += number * step
            step += 1
            metrics = calls[step % 1_000]
            before = perf_counter_ns()
            run.log(metrics, step=step)
            took.append(perf_counter_ns() - before)
        rate = step / (monotonic() - began)
        sent = run.finish()
    return {"took": took, "rate": rate, **sent}


if __name__ == "__main__":
    print_result(run_busy_training(read_job()))
