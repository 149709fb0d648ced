"""How long does `tasuki doctor` take when things are bad?

Whole processes, from their start to their end, after one of each that is not counted: with the server down, with 1,500 records
pending, and with a store that another process has locked for itself alone.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter

from benchmarks.child import ROOT, environment
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure

__all__ = ["QUESTION", "measure"]

NOWHERE = "http://127.0.0.1:9"
LEAVING = """
import os, sys, tasuki
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
for n in range(int(sys.argv[3]) - 1):
    run.log({"loss": n})
os._exit(0)
"""
LOCKING = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.pragma("locking_mode", "exclusive")
db.execute("BEGIN EXCLUSIVE")
db.execute("CREATE TABLE held (x)")
print("held", flush=True)
sys.stdin.read()
"""


def measure(size: Size) -> list[Row]:
    """How long each takes, and that it says what it should."""
    with folder() as few, folder() as many:
        leave(few, 10)
        leave(many, 1500)
        doctor(few)
        return [
            asked("with the server down", few, "sync_queue: 10 pending", size),
            asked("with 1,500 pending", many, "sync_queue: 1500 pending", size),
            asked("with a locked store", few, "has locked", size, locks=True),
        ]


def asked(name: str, place: Path, says: str, size: Size, *, locks: bool = False) -> Row:
    """One figure."""
    with locked(place) if locks else nullcontext():
        assert says in doctor(place)
        times = []
        for _ in range(size.starts):
            began = perf_counter()
            doctor(place)
            times.append(perf_counter() - began)
    return figure(name, times, "s", at_most(1))


def doctor(place: Path) -> str:
    """What it says of a folder in which something is degraded."""
    command = [sys.executable, "-m", "tasuki", "doctor", "--dir", str(place)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def leave(place: Path, records: int) -> None:
    """A training that is gone at once, with all that it recorded."""
    command = [sys.executable, "-c", LEAVING, NOWHERE, str(place), str(records)]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Its store, locked by another process for the block."""
    (store,) = place.glob("store.*.db")
    command = [sys.executable, "-c", LOCKING, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        yield
        process.stdin.close()


QUESTION = Question("How long does `tasuki doctor` take when things are bad?", __doc__, measure)
