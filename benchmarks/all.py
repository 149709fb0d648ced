"""`python -m benchmarks.all [--only QUESTION ...]`: every question at length, beside all peers (`make bench`)."""

import sys

from benchmarks.peer import list_peer_names
from benchmarks.rows import BenchmarkSize
from benchmarks.suite import run_suite

__all__ = ["FULL_SIZE"]

FULL_SIZE = BenchmarkSize(
    "all",
    runs=5,
    blocks=200,
    seconds=10.0,
    starts=21,
    steps=100_000,
    points=1_000_000,
    run_counts=(1_000, 10_000, 100_000),
    peers=tuple(list_peer_names()),
)

if __name__ == "__main__":
    sys.exit(run_suite(FULL_SIZE, sys.argv[1:], command="make bench"))
