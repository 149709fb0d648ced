"""One process of `write_through`: corrections in a brain whose server never answers; how long each took, in milliseconds."""

import os
from time import perf_counter_ns, sleep
from typing import Any

from benchmarks.child import print_result, read_job
from tasuki import Brain


def measure(work: dict[str, Any]) -> list[float]:
    """Open the brain and correct, pausing between the calls."""
    brain = Brain(work["folder"], remote=work["remote"], session=12)
    took = []
    for number in range(work["calls"]):
        began = perf_counter_ns()
        brain.correct(f"draft {number} of {os.getpid()}", "what became of it", category="TONE")
        took.append((perf_counter_ns() - began) / 1e6)
        sleep(work["pause"])
    return took


if __name__ == "__main__":
    print_result(measure(read_job()))
    os._exit(0)  # as if it were killed: what is not sent stays behind
