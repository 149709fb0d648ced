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

from benchmarks.child import ROOT, build_environment
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row

__all__ = ["BENCHMARK", "measure"]

UNREACHABLE_URL = "http://127.0.0.1:9"
CRASHING_SCRIPT = """
import os, sys, tasuki
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
for n in range(int(sys.argv[3]) - 1):
    run.log({"loss": n})
os._exit(0)
"""
LOCKING_SCRIPT = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.pragma("locking_mode", "exclusive")
db.execute("BEGIN EXCLUSIVE")
db.execute("CREATE TABLE held (x)")
print("held", flush=True)
sys.stdin.read()
"""


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """How long each takes, and that it says what it should."""
    with temporary_folder() as few, temporary_folder() as many:
        leave_pending_records(few, 10)
        leave_pending_records(many, 1500)
        run_doctor(few)
        return [
            measure_doctor("with the server down", few, "sync_queue: 10 pending", size),
            measure_doctor("with 1,500 pending", many, "sync_queue: 1500 pending", size),
            measure_doctor("with a locked store", few, "has locked", size, is_locked=True),
        ]


def measure_doctor(name: str, data_folder: Path, expected_text: str, size: BenchmarkSize, *, is_locked: bool = False) -> ResultRow:
    """One figure."""
    with lock_store(data_folder) if is_locked else nullcontext():
        assert expected_text in run_doctor(data_folder)
        times = []
        for _ in range(size.starts):
            began = perf_counter()
            run_doctor(data_folder)
            times.append(perf_counter() - began)
    return build_row(name, times, "s", at_most(1))


def run_doctor(data_folder: Path) -> str:
    """What it says of a folder in which something is degraded."""
    command = [sys.executable, "-m", "tasuki", "doctor", "--dir", str(data_folder)]
    done = subprocess.run(command, cwd=ROOT, env=build_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def leave_pending_records(data_folder: Path, records: int) -> None:
    """A training that is gone at once, with all that it recorded."""
    command = [sys.executable, "-c", CRASHING_SCRIPT, UNREACHABLE_URL, str(data_folder), str(records)]
    subprocess.run(command, cwd=ROOT, env=build_environment(), check=True, capture_output=True)


@contextmanager
def lock_store(data_folder: Path) -> Iterator[None]:
    """Its store, locked by another process for the block."""
    (store,) = data_folder.glob("store.*.db")
    command = [sys.executable, "-c", LOCKING_SCRIPT, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        yield
        process.stdin.close()


BENCHMARK = Benchmark("How long does `tasuki doctor` take when things are bad?", __doc__, measure)
