"""`python -m benchmarks.quick [--only QUESTION ...]`: the questions that take seconds, beside trackio (`make bench-quick`)."""

import sys

from benchmarks.rows import Size
from benchmarks.suite import run

__all__ = ["QUICK"]

QUICK = Size(
    "quick", runs=5, blocks=60, seconds=4.0, starts=9, steps=100_000, points=1_000_000, runs_there=(100, 1_000), peers=("trackio",)
)

if __name__ == "__main__":
    sys.exit(run(QUICK, sys.argv[1:], command="make bench-quick"))
