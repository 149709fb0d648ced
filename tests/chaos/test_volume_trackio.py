"""The real trackio at its fastest before a syncer, and an import that is killed again and again."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tasuki import Api
from tests.support.remote_server import Server
from tests.support.shell import TASUKI, environment, tasuki
from tests.support.soak import scaled
from tests.support.trackio_databases import database, log, opened, rows_at, rows_in, trackio

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
READ_ONLY = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']


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
