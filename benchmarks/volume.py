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

from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_least, at_most, figure
from benchmarks.with_relay import serving
from tasuki import VolumeSyncer
from tasuki.journal import JournalFolder, new_header
from tasuki.records import encode_metrics, frame

__all__ = ["QUESTION", "an_hour", "many", "measure"]

SECONDS, INTERVAL, STEPS_A_SECOND = 3600, 30, 10
PROJECTS, CHANGING = 1000, 10
QUIET_SECONDS = 2.1
TABLES = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
CREATE INDEX idx_metrics_run_step ON metrics(run_id, step);
CREATE INDEX idx_metrics_run_timestamp ON metrics(run_id, timestamp);
CREATE UNIQUE INDEX idx_metrics_log_id ON metrics(log_id) WHERE log_id IS NOT NULL;
CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL, config TEXT NOT NULL,
    created_at TEXT NOT NULL, UNIQUE(run_id));
"""


def measure(size: Size) -> list[Row]:
    """Both; each once in each run."""
    shares, rounds, read = [], [], []
    for _ in range(size.runs if size.name == "all" else 1):
        with folder() as place, serving(place / "server") as url:
            shares.append(an_hour(place, url, SECONDS if size.name != "tiny" else 120))
        with folder() as place, serving(place / "server") as url:
            seconds, share = many(place, url, PROJECTS if size.name != "tiny" else 20)
            rounds.append(seconds)
            read.append(share)
    return [
        figure("an hour of trackio, whole uploads by what is sent", shares, "×", at_least(50)),
        figure(f"a round, {PROJECTS} projects, {CHANGING} changing", rounds, "s", at_most(1)),
        figure("bytes read in it, by the size of what changed", read, "×", at_most(8)),
    ]


def an_hour(place: Path, url: str, seconds: int) -> float:
    """How many times more bytes whole uploads would be."""
    volume = place / "volume"
    path = project(volume, "hour")
    uploads = step = 0
    with VolumeSyncer(volume, url, state=place / "syncer") as syncer, opened(path) as db:
        for _ in range(seconds // INTERVAL):
            log(db, range(step, step + INTERVAL * STEPS_A_SECOND))
            step += INTERVAL * STEPS_A_SECOND
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            uploads += path.stat().st_size
            assert syncer.once(), syncer.report.errors
        assert syncer.report.records >= step
        sent = syncer.report.bytes
    db.close()
    return uploads / sent


def many(place: Path, url: str, projects: int) -> tuple[float, float]:
    """How long a round takes, and how much it reads by the size of what has changed."""
    volume = place / "volume"
    first = project(volume, "p0")
    with opened(first) as db:
        log(db, range(10))
    db.close()
    databases = [first, *(Path(shutil.copyfile(first, volume / f"p{n}.db")) for n in range(1, projects // 2))]
    paths = [
        path for both in zip(databases, (journal(volume, f"j{n}") for n in range(projects // 2)), strict=True) for path in both
    ]
    with VolumeSyncer(volume, url, state=place / "syncer") as syncer:
        assert syncer.once(), syncer.report.errors
        sleep(QUIET_SECONDS)  # what had just been written when it was read is read again
        assert syncer.once(), syncer.report.errors
        times, shares = [], []
        for attempt in (1, 2):
            changed = paths[attempt * CHANGING : (attempt + 1) * CHANGING] or paths[:CHANGING]
            for path in changed:
                grow(path, range(attempt * 10, attempt * 10 + 10))
            sleep(QUIET_SECONDS)
            before, began = bytes_read(), perf_counter()
            assert syncer.once(), syncer.report.errors
            times.append(perf_counter() - began)
            shares.append((bytes_read() - before) / sum(path.stat().st_size for path in changed))
            assert syncer.report.projects == len(changed)
    return min(times), max(shares)


def grow(path: Path, steps: Sequence[int]) -> None:
    """More of a project."""
    if path.suffix == ".db":
        with opened(path) as db:
            log(db, steps)
        db.close()
    else:
        with path.open("ab") as file:
            file.write(records(steps))


def journal(volume: Path, name: str) -> Path:
    """A journal that is being written."""
    header = new_header(name, "run", created=0)
    path = JournalFolder(volume).project_folder(name) / f"{header.writer}.tsk"
    path.parent.mkdir()
    path.write_bytes(header.encoded() + records(range(10)))
    return path


def records(steps: Sequence[int]) -> bytes:
    """What a run of tasuki's logs."""
    values = {f"train/metric_{n}": n / 7 for n in range(10)}
    return b"".join(frame(encode_metrics(1_800_000_000_000_000 + step, step, values)) for step in steps)


def project(volume: Path, name: str) -> Path:
    """An empty database of trackio's."""
    volume.mkdir(parents=True, exist_ok=True)
    path = volume / f"{name}.db"
    with opened(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(TABLES)
    db.close()
    return path


def opened(path: Path) -> sqlite3.Connection:
    """A connection that waits for no disk."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    return db


def log(db: sqlite3.Connection, steps: Sequence[int]) -> None:
    """Rows as trackio writes them, committed."""
    rows = []
    for step in steps:
        values = json.dumps({f"train/metric_{n}": (step + 1) / (n + 7) for n in range(10)}).encode()
        time = f"2026-01-02T{step // 36000 % 24:02d}:{step // 600 % 60:02d}:{step // 10 % 60:02d}.{step % 10}00000+00:00"
        rows.append(("3f2a9c0d1e4b4a5f8c7d6e5f4a3b2c1d", time, "dainty-sunset-0", step, values, f"{step:032x}"))
    with db:
        db.executemany("INSERT INTO metrics (run_id, timestamp, run_name, step, metrics, log_id) VALUES (?, ?, ?, ?, ?, ?)", rows)


def bytes_read() -> int:
    """What this process has read until now, from files, sockets and its own databases."""
    return int(Path("/proc/self/io").read_text().split()[1])


QUESTION = Question("What does a volume's syncer cost?", __doc__, measure)
