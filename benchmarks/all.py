"""`python -m benchmarks.all [QUESTION ...]`: every question at length (`make bench`)."""

import sys

from benchmarks.rows import Size
from benchmarks.suite import run

__all__ = ["LONG"]

LONG = Size("all", runs=9, blocks=200, seconds=20.0, starts=31, steps=(100_000, 300_000))

if __name__ == "__main__":
    sys.exit(run(LONG, sys.argv[1:], command="make bench"))
