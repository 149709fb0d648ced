"""`python -m benchmarks.tiny [--only QUESTION ...]`: every question with little of everything, to see that all of it works.

Its figures mean nothing, and it writes no results.
"""

import sys

from benchmarks.peer import list_peer_names
from benchmarks.rows import BenchmarkSize
from benchmarks.suite import run_suite

__all__ = ["TINY_SIZE"]

TINY_SIZE = BenchmarkSize(
    "tiny", runs=1, blocks=2, seconds=3.0, starts=1, steps=500, points=10_000, run_counts=(10, 20), peers=tuple(list_peer_names())
)

if __name__ == "__main__":
    sys.exit(run_suite(TINY_SIZE, sys.argv[1:], command=None))
