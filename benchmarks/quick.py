"""`python -m benchmarks.quick [--only QUESTION ...]`: the questions that take seconds, beside trackio (`make bench-quick`)."""

import sys

from benchmarks.rows import BenchmarkSize
from benchmarks.suite import run_suite

__all__ = ["QUICK_SIZE"]

QUICK_SIZE = BenchmarkSize(
    "quick", runs=5, blocks=60, seconds=4.0, starts=9, steps=100_000, points=1_000_000, run_counts=(100, 1_000), peers=("trackio",)
)

if __name__ == "__main__":
    sys.exit(run_suite(QUICK_SIZE, sys.argv[1:], command="make bench-quick"))
