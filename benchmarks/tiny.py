"""`python -m benchmarks.tiny [--only QUESTION ...]`: every question with little of everything, to see that all of it works.

Its figures mean nothing, and it writes no results.
"""

import sys

from benchmarks.peer import peer_names
from benchmarks.rows import Size
from benchmarks.suite import run

__all__ = ["TINY"]

TINY = Size(
    "tiny", runs=1, blocks=2, seconds=3.0, starts=1, steps=500, points=10_000, runs_there=(10, 20), peers=tuple(peer_names())
)

if __name__ == "__main__":
    sys.exit(run(TINY, sys.argv[1:], command=None))
