"""The real trackio from PyPI on a volume, or beside `tasuki import`."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tasuki import Api, VolumeSyncer
from tasuki.relay.remote import HttpQuery
from tests.e2e.shell import TASUKI, environment, tasuki
from tests.peers import peer_python
from tests.processes import eventually
from tests.remotes import Server
from tests.soak import scaled
from tests.trackios import database, log, opened

SECONDS = scaled(4, 120)
LOGS = """
import sys, time, trackio
trackio.init(project="real", name="fast", config={"lr": 0.1}, embed=False)
until, step = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < until:
    trackio.log({"loss": 1 / (step + 1), "n": step}, step=step)
    step += 1
    time.sleep(0.001)
trackio.alert("done", level=trackio.AlertLevel.INFO)
trackio.finish()
"""
CHECKPOINTS = """
import sqlite3, sys, time
while True:
    try:
        db = sqlite3.connect(sys.argv[1], timeout=0)
        for n in range(200):
            db.execute(f"PRAGMA wal_checkpoint({['PASSIVE', 'RESTART', 'TRUNCATE'][n % 3]})")
            time.sleep(0.002)
        db.close()
    except sqlite3.OperationalError:
        pass
"""
THIRD = """
import trackio
trackio.init(project="seen", name="third", embed=False)
trackio.log({"loss": 0.5})
trackio.finish()
"""
READ_ONLY = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


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


def test_every_committed_row_arrives_once_and_the_writer_is_not_disturbed(volume: Path, tmp_path: Path, server: Server) -> None:
    """A step a millisecond, somebody who checkpoints in all ways 500 times a second, a syncer that could not write if it tried."""
    syncer = [*READ_ONLY, str(volume), *TASUKI, "syncer", f"--volume={volume}", f"--to={server.url}", "--interval=0.2"]
    if subprocess.run([*READ_ONLY, str(volume), "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare -m is not permitted here")
    path = volume / "real.db"
    with (
        trackio(volume, LOGS, SECONDS) as training,
        trackio(volume, CHECKPOINTS, path),
        subprocess.Popen(syncer, env=environment(tmp_path / "syncer"), stderr=subprocess.PIPE, text=True) as reading,
    ):
        assert training.wait(SECONDS + 60) == 0
        reading.send_signal(signal.SIGTERM)
        assert reading.stderr is not None
        said = reading.stderr.read()
        assert reading.wait(60) == 0
    assert "[syncer] synced 'real'" in said
    assert "damaged" not in said
    assert tasuki(tmp_path / "syncer", "syncer", "--volume", str(volume), "--to", server.url, "--once").returncode == 0
    committed = rows_in(path, "fast")
    assert len(committed) > SECONDS * 100
    with server.caught_up() as query:
        (run,) = query.runs("real")
        assert rows_at(query, "real", run.id) == committed
        assert (run.name, run.config["lr"]) == ("fast", 0.1)
        assert [alert.title for alert in query.alerts("real")] == ["done"]
    assert {path.suffix for path in volume.iterdir() if path.is_file()} <= {".db", ".db-wal", ".db-shm", ".lock"}


def test_changes_that_lie_in_the_wal_alone_arrive_within_a_round(volume: Path, tmp_path: Path, server: Server) -> None:
    path = database(volume, "real", rows=False)
    with opened(path) as db, VolumeSyncer(volume, server.url, state=tmp_path / "syncer") as syncer:
        db.execute("PRAGMA wal_autocheckpoint = 0")
        log(db, 0)
        db.commit()
        assert syncer.once()
        before = path.stat()
        for step in range(1, 6):
            log(db, step)
            db.commit()
            assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
            assert syncer.once()
            with server.caught_up() as query:
                assert [row[0] for row in rows_at(query, "real", "id")] == list(range(step + 1))


def test_a_database_that_trackio_migrates_in_the_middle_keeps_its_runs(volume: Path, tmp_path: Path, server: Server) -> None:
    database(volume, "seen", version="0.23.0")
    with VolumeSyncer(volume, server.url, state=tmp_path / "syncer") as syncer:
        assert syncer.once()
        logged(volume, THIRD)
        assert syncer.once()
    with closing(sqlite3.connect(volume / "seen.db")) as db:
        assert db.execute("SELECT count(*) FROM metrics WHERE run_id = run_name").fetchone() == (0,)
    with VolumeSyncer(volume, server.url, state=tmp_path / "another") as syncer:
        assert syncer.once()
    with server.caught_up() as query:
        assert Counter(run.name for run in query.runs("seen")) == {"first": 1, "second": 1, "third": 1}
        assert {len(rows_at(query, "seen", run.id)) for run in query.runs("seen") if run.name != "third"} == {3}


def test_what_trackio_writes_as_fragments_and_moves_into_its_database_arrives_once(
    volume: Path, tmp_path: Path, server: Server
) -> None:
    logs = 'import trackio\ntrackio.init(project="real", name="boxed", config={"lr": 0.1}, embed=False)\n'
    logs += 'for n in range(50): trackio.log({"loss": n})\ntrackio.alert("a")\ntrackio.finish()'
    logged(volume, logs, TRACKIO_STORAGE_MODE="jsonl")
    assert list((volume / "inbox").rglob("*.jsonl"))
    assert not (volume / "real.db").exists()
    with VolumeSyncer(volume, server.url, state=tmp_path / "syncer") as syncer:
        assert syncer.once()
        logged(volume, "from trackio import fragments\nfragments.import_inbox_dir()")
        assert not list((volume / "inbox").rglob("*.jsonl"))
        assert len(rows_in(volume / "real.db", "boxed")) == 50
        assert syncer.once()
    with VolumeSyncer(volume, server.url, state=tmp_path / "syncer") as syncer:
        assert syncer.once()
    with server.caught_up() as query:
        (run,) = query.runs("real")
        assert rows_at(query, "real", run.id) == [(n, float(n)) for n in range(50)]
        assert [alert.title for alert in query.alerts("real")] == ["a"]
        assert run.config["lr"] == 0.1


def test_an_import_brings_trackios_runs_and_doing_it_again_what_is_new(volume: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    logs = 'import trackio\ntrackio.init(project="real", name="{0}", config={{"lr": 0.1}}, group="g", embed=False)\n'
    logs += 'for n in range(20): trackio.log({{"loss": n}})\ntrackio.finish()'
    logged(volume, logs.format("one"))
    first = tasuki(data, "import", "trackio", str(volume))
    assert (first.returncode, first.stderr.splitlines()) == (0, ["imported 23 records of 'real'"])
    assert tasuki(data, "import", "trackio", TRACKIO_DIR=str(volume)).stderr == ""
    logged(volume, logs.format("two"))
    assert "imported 23 records" in tasuki(data, "import", "trackio", str(volume)).stderr
    with Api(dir=str(data)) as api:
        runs = {run.name: run for run in api.runs("real")}
        assert runs.keys() == {"one", "two"}
        assert [row["step"] for row in runs["two"].history(metric="loss")] == list(range(20))
    assert tasuki(data, "verify").returncode == 0


def test_a_watching_import_that_is_killed_again_and_again_brings_each_row_once(volume: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    path = database(volume, "real", rows=False)
    watching = [*TASUKI, "import", "trackio", str(volume), "--watch", "--interval", "0.1"]
    step = 0
    with opened(path) as db:
        for kill in range(scaled(4, 40)):
            with subprocess.Popen(watching, env=environment(data), stderr=subprocess.DEVNULL) as process:
                until = time.monotonic() + 0.8 + 0.1 * (kill % 5)
                while time.monotonic() < until:
                    log(db, step)
                    db.commit()
                    step += 1
                process.kill()
    assert tasuki(data, "import", "trackio", str(volume)).returncode == 0
    with Api(dir=str(data)) as api:
        (run,) = api.runs("real")
        assert [row["step"] for row in run.history(metric="loss")] == list(range(step))
    assert tasuki(data, "verify").returncode == 0


def test_an_imported_run_goes_to_a_server_like_any_other(volume: Path, tmp_path: Path, server: Server) -> None:
    database(volume)
    tasuki(tmp_path / "data", "import", "trackio", str(volume))
    assert tasuki(tmp_path / "data", "sync", "--to", server.url).returncode == 0
    shutil.rmtree(volume)
    with server.caught_up() as query:
        assert {run.name for run in query.runs("seen")} == {"first", "second"}
    eventually(lambda: tasuki(tmp_path / "data", "verify", "--remote", server.url).returncode == 0)
