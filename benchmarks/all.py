"""`python -m benchmarks.all [--only QUESTION ...]`: every question at length, beside all peers (`make bench`)."""

import sys

from benchmarks.peer import peer_names
from benchmarks.rows import Size
from benchmarks.suite import run

__all__ = ["LONG"]

LONG = Size(
    "all",
    runs=5,
    blocks=200,
    seconds=10.0,
    starts=21,
    steps=100_000,
    points=1_000_000,
    runs_there=(1_000, 10_000, 100_000),
    peers=tuple(peer_names()),
)

if __name__ == "__main__":
    sys.exit(run(LONG, sys.argv[1:], command="make bench"))
