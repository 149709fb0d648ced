"""One client of `note_to_server`: corrections at random moments; when each call returned, on the machine's monotonic clock."""

import random
from time import monotonic, sleep
from typing import Any

from benchmarks.child import print_result, read_job
from tasuki import Brain


def measure(work: dict[str, Any]) -> dict[str, float]:
    """The drafts, and when they were noted."""
    noted = {}
    with Brain(work["folder"], remote=work["remote"], session=12) as brain:
        for number in range(work["calls"]):
            sleep(random.expovariate(work["rate"]))
            draft = f"draft {number} of {work['client']}"
            brain.correct(draft, "what became of it", category="TONE")
            noted[draft] = monotonic()
    return noted


if __name__ == "__main__":
    print_result(measure(read_job()))
