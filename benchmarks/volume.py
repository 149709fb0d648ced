"""What does a volume's syncer cost?

An hour-long run of trackio's, ten steps a second of ten floats, on a volume: a round every 30 s, the hour simulated (rows are
written as the newest trackio writes them, and committed before each round). Counted are the compressed bytes of records that go to
a real server, against the bytes of the whole database uploaded in each round. Then 1000 projects on a volume, ten of which get ten
rows each before a round: how long the round takes (the best of two), and how many bytes the process reads in it
(`/proc/self/io`), against the size of what has changed. Half of the projects are databases of trackio's, half are journals.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, sleep

from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_least, at_most, build_row
from benchmarks.with_relay import run_server
from tasuki import VolumeSyncer
from tasuki.journal import JournalFolder, new_header
from tasuki.records import encode_frame, encode_metrics

__all__ = ["BENCHMARK", "measure", "measure_round", "measure_upload_ratio"]

SECONDS, INTERVAL, STEPS_PER_SECOND = 3600, 30, 10
PROJECTS, CHANGING_PROJECTS = 1000, 10
QUIET_SECONDS = 2.1
CREATE_TABLES = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
CREATE INDEX idx_metrics_run_step ON metrics(run_id, step);
CREATE INDEX idx_metrics_run_timestamp ON metrics(run_id, timestamp);
CREATE UNIQUE INDEX idx_metrics_log_id ON metrics(log_id) WHERE log_id IS NOT NULL;
CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL, config TEXT NOT NULL,
    created_at TEXT NOT NULL, UNIQUE(run_id));
"""


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Both; each once in each run."""
    shares, rounds, read = [], [], []
    for _ in range(size.runs if size.name == "all" else 1):
        with temporary_folder() as place, run_server(place / "server") as url:
            shares.append(measure_upload_ratio(place, url, SECONDS if size.name != "tiny" else 120))
        with temporary_folder() as place, run_server(place / "server") as url:
            seconds, share = measure_round(place, url, PROJECTS if size.name != "tiny" else 20)
            rounds.append(seconds)
            read.append(share)
    return [
        build_row("an hour of trackio, whole uploads by what is sent", shares, "×", at_least(50)),
        build_row(f"a round, {PROJECTS} projects, {CHANGING_PROJECTS} changing", rounds, "s", at_most(1)),
        build_row("bytes read in it, by the size of what changed", read, "×", at_most(8)),
    ]


def measure_upload_ratio(folder_path: Path, url: str, seconds: int) -> float:
    """How many times more bytes whole uploads would be."""
    volume = folder_path / "volume"
    path = create_trackio_database(volume, "hour")
    uploads = step = 0
    with VolumeSyncer(volume, url, state=folder_path / "syncer") as syncer, open_database(path) as db:
        for _ in range(seconds // INTERVAL):
            insert_rows(db, range(step, step + INTERVAL * STEPS_PER_SECOND))
            step += INTERVAL * STEPS_PER_SECOND
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            uploads += path.stat().st_size
            assert syncer.once(), syncer.status.errors
        assert syncer.status.records >= step
        sent = syncer.status.bytes
    db.close()
    return uploads / sent


def measure_round(folder_path: Path, url: str, projects: int) -> tuple[float, float]:
    """How long a round takes, and how much it reads by the size of what has changed."""
    volume = folder_path / "volume"
    first = create_trackio_database(volume, "p0")
    with open_database(first) as db:
        insert_rows(db, range(10))
    db.close()
    databases = [first, *(Path(shutil.copyfile(first, volume / f"p{n}.db")) for n in range(1, projects // 2))]
    paths = [
        path
        for both in zip(databases, (create_journal(volume, f"j{n}") for n in range(projects // 2)), strict=True)
        for path in both
    ]
    with VolumeSyncer(volume, url, state=folder_path / "syncer") as syncer:
        assert syncer.once(), syncer.status.errors
        sleep(QUIET_SECONDS)  # what had just been written when it was read is read again
        assert syncer.once(), syncer.status.errors
        times, shares = [], []
        for attempt in (1, 2):
            changed = paths[attempt * CHANGING_PROJECTS : (attempt + 1) * CHANGING_PROJECTS] or paths[:CHANGING_PROJECTS]
            for path in changed:
                append_steps(path, range(attempt * 10, attempt * 10 + 10))
            sleep(QUIET_SECONDS)
            before, began = get_bytes_read(), perf_counter()
            assert syncer.once(), syncer.status.errors
            times.append(perf_counter() - began)
            shares.append((get_bytes_read() - before) / sum(path.stat().st_size for path in changed))
            assert syncer.status.projects == len(changed)
    return min(times), max(shares)


def append_steps(path: Path, steps: Sequence[int]) -> None:
    """More of a project."""
    if path.suffix == ".db":
        with open_database(path) as db:
            insert_rows(db, steps)
        db.close()
    else:
        with path.open("ab") as file:
            file.write(encode_records(steps))


def create_journal(volume: Path, name: str) -> Path:
    """A journal that is being written."""
    header = new_header(name, "run", created=0)
    path = JournalFolder(volume).project_folder(name) / f"{header.writer}.tsk"
    path.parent.mkdir()
    path.write_bytes(header.encode() + encode_records(range(10)))
    return path


def encode_records(steps: Sequence[int]) -> bytes:
    """What a run of tasuki's logs."""
    values = {f"train/metric_{n}": n / 7 for n in range(10)}
    return b"".join(encode_frame(encode_metrics(1_800_000_000_000_000 + step, step, values)) for step in steps)


def create_trackio_database(volume: Path, name: str) -> Path:
    """An empty database of trackio's."""
    volume.mkdir(parents=True, exist_ok=True)
    path = volume / f"{name}.db"
    with open_database(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(CREATE_TABLES)
    db.close()
    return path


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that waits for no disk."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    return db


def insert_rows(db: sqlite3.Connection, steps: Sequence[int]) -> None:
    """Rows as trackio writes them, committed."""
    rows = []
    for step in steps:
        values = json.dumps({f"train/metric_{n}": (step + 1) / (n + 7) for n in range(10)}).encode()
        time = f"2026-01-02T{step // 36000 % 24:02d}:{step // 600 % 60:02d}:{step // 10 % 60:02d}.{step % 10}00000+00:00"
        rows.append(("3f2a9c0d1e4b4a5f8c7d6e5f4a3b2c1d", time, "dainty-sunset-0", step, values, f"{step:032x}"))
    with db:
        db.executemany("INSERT INTO metrics (run_id, timestamp, run_name, step, metrics, log_id) VALUES (?, ?, ?, ?, ?, ?)", rows)


def get_bytes_read() -> int:
    """What this process has read until now, from files, sockets and its own databases."""
    return int(Path("/proc/self/io").read_text().split()[1])


BENCHMARK = Benchmark("What does a volume's syncer cost?", __doc__, measure)
