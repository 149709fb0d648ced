"""trackio's files, as tests make them: databases as released versions have recorded them, rows that come later, fragments."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tasuki.client.http_query import HttpQuery
from tasuki.records import Item, ReplicateResponse
from tasuki.testing import MemoryStore
from tests.support.peer_trackers import peer_python

__all__ = ["VERSIONS", "Wire", "database", "fragment", "log", "logged", "metric", "opened", "rows_at", "rows_in", "trackio"]

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "trackio"
VERSIONS = [path.stem for path in sorted(TRANSCRIPTS.glob("*.sql"))]
NEWEST = "0.43.0"


class Wire:
    """A transport to a store in memory, which counts what is said."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.boot_id = "one"
        self.items = 0
        self.bytes = 0

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        self.items += len(items)
        self.bytes += sum(len(item.data) for item in items if item.data)
        return ReplicateResponse(items=self.store.append(items), boot_id=self.boot_id)


def database(folder: Path, project: str = "seen", *, version: str = NEWEST, rows: bool = True) -> Path:
    """A project's database as a released trackio has left it; without `rows`, only its tables."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{project}.db"
    text = (TRANSCRIPTS / f"{version}.sql").read_text()
    with opened(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(text)
        db.execute(f"PRAGMA user_version = {int(text.splitlines()[0].rpartition(' ')[2])}")
        if not rows:
            for table in ("metrics", "system_metrics", "alerts", "configs"):
                db.execute(f"DELETE FROM {table}")
            db.execute("DELETE FROM sqlite_sequence")
    os.utime(path, (1_700_000_000, 1_700_000_000))  # of one that has just been written another commit might not show
    return path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that waits for no disk; what was done in the block is committed."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        yield db
        db.commit()


def log(db: sqlite3.Connection, step: int, *, run: str = "run", run_id: str = "id", log_id: str | None = None) -> None:
    """One row of metrics, as the newest trackio writes it, not committed."""
    values = json.dumps({"loss": step / 7, "n": step})
    time = f"2026-01-02T03:04:05.{step % 1_000_000:06d}+00:00"
    db.execute(
        "INSERT INTO metrics (timestamp, run_id, run_name, step, metrics, log_id) VALUES (?, ?, ?, ?, ?, ?)",
        (time, run_id, run, step, values.encode(), log_id or f"{run_id}-{step}"),
    )


def metric(step: int, **more: Any) -> dict[str, Any]:
    """A row of the inbox."""
    said = {"v": 1, "kind": "metric", "project": "seen", "run": "boxed", "run_id": "boxid", "metrics": {"loss": step / 7}}
    return said | {"step": step, "timestamp": f"2026-01-02T03:04:{step:02d}+00:00", "config": None, "log_id": f"box-{step}"} | more


def fragment(folder: Path, name: str, *rows: dict[str, Any]) -> Path:
    """A file of the inbox."""
    path = folder / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


# -- the real one


@contextmanager
def trackio(volume: Path, script: str, *arguments: object, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """The real one, at work on a volume for the block."""
    variables = os.environ | {"TRACKIO_DIR": str(volume), "HF_HUB_OFFLINE": "1"} | more
    command = [str(peer_python("trackio")), "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def logged(volume: Path, script: str, *arguments: object, **more: str) -> None:
    """The real one, to its end."""
    with trackio(volume, script, *arguments, **more) as process:
        assert process.wait(120) == 0


def rows_in(path: Path, run: str) -> list[tuple[int, float]]:
    """What a database has, as trackio reads it."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT step, metrics FROM metrics WHERE run_name = ? ORDER BY id", (run,)).fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return [(step, json.loads(values)["loss"]) for step, values in found]


def rows_at(query: HttpQuery, project: str, run: str) -> list[tuple[int, float]]:
    """What a server has."""
    return [(row.step, row.metrics["loss"]) for row in query.history(project, run) if "loss" in row.metrics]
