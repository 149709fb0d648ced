"""The real trackio from PyPI on a volume, or beside `tasuki import`."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasuki import Api, VolumeSyncer
from tests.support.processes import eventually
from tests.support.remote_server import Server
from tests.support.shell import tasuki
from tests.support.trackio_databases import database, log, logged, opened, rows_at, rows_in

THIRD = """
import trackio
trackio.init(project="seen", name="third", embed=False)
trackio.log({"loss": 0.5})
trackio.finish()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


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


def test_an_imported_run_goes_to_a_server_like_any_other(volume: Path, tmp_path: Path, server: Server) -> None:
    database(volume)
    tasuki(tmp_path / "data", "import", "trackio", str(volume))
    assert tasuki(tmp_path / "data", "sync", "--to", server.url).returncode == 0
    shutil.rmtree(volume)
    with server.caught_up() as query:
        assert {run.name for run in query.runs("seen")} == {"first", "second"}
    eventually(lambda: tasuki(tmp_path / "data", "verify", "--remote", server.url).returncode == 0)
