"""`python -m benchmarks.quick [QUESTION ...]`: every question in under five minutes (`make bench-quick`)."""

import sys

from benchmarks.rows import Size
from benchmarks.suite import run

__all__ = ["QUICK"]

QUICK = Size("quick", runs=5, blocks=60, seconds=4.0, starts=9, steps=(100_000,))

if __name__ == "__main__":
    sys.exit(run(QUICK, sys.argv[1:], command="make bench-quick"))
