"""A server that is killed while records come in: every one of them is there once in the end."""

import random
import time
from contextlib import ExitStack, closing
from pathlib import Path

import apsw
import pytest

from tasuki.errors import RemoteUnavailable
from tasuki.records import Status
from tasuki.store import RAW_FILE
from tests.support.acknowledged_calls import PROJECT, acknowledged
from tests.support.journals import metrics, write_journal
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, all_there, differences, records_at, records_in, sync_all
from tests.support.shell import tasuki
from tests.support.soak import scaled
from tests.support.training_processes import AS_TOLD, UNTIL_TOLD, ended, logged


def is_sound(database: Path) -> bool:
    """What SQLite says of a file."""
    with closing(apsw.Connection(str(database))) as db:
        return db.pragma("integrity_check") == "ok"


@pytest.mark.parametrize("trial", range(scaled(1, 25)))
def test_a_server_killed_again_and_again_while_four_processes_log_has_every_call_once(trial: int, server: Server, tmp_path: Path):
    chance = random.Random(trial)
    folders = [tmp_path / "one", tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    grown = []
    with ExitStack() as stack:
        children = [stack.enter_context(Child(UNTIL_TOLD, server.url, f"writer-{n}", folder)) for n, folder in enumerate(folders)]
        for _ in range(scaled(4, 8)):
            time.sleep(chance.uniform(0, 1.2))
            server.kill()
            grown.append(records_at(server))
            time.sleep(chance.uniform(0, 0.3))
            server.start()
        for child in children:
            child.tell("enough")
        lines = [line for child in children for line in child.done()]
    assert len(set(grown)) > 2, f"it was killed while records came in: {grown}"
    for folder in set(folders):
        sync_all(folder, server.url)
        assert differences(folder, server.url) == []
        verified = tasuki(folder, "verify", "--remote", server.url)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    all_there(server, acknowledged(lines))
    with server.caught_up() as query:
        assert [run.status for run in query.runs(PROJECT)] == [Status.FINISHED] * 4
    server.stop()
    assert is_sound(server.folder / RAW_FILE)


@pytest.mark.parametrize("count", range(1, scaled(3, 12)))
@pytest.mark.parametrize("point", ["server.before_commit", "server.within_batch", "server.after_commit"])
def test_a_server_killed_before_in_or_after_a_commit_has_every_call_once(point: str, count: int, tmp_path: Path):
    folder = tmp_path / "data"
    server = Server(tmp_path / "server")
    server.failpoints = f"{point}=kill:{count}"
    with server, Child(AS_TOLD, server.url, "main", folder) as child:
        for _ in range(count):
            logged(child, 20)
            time.sleep(0.1)
        eventually(server.has_ended)
        logged(child, 20)
        server.failpoints = ""
        server.start()
        lines = ended(child, 1)
        sync_all(folder, server.url)
        all_there(server, acknowledged(lines))
        assert differences(folder, server.url) == []
        assert records_at(server, folder) == records_in(folder)
        server.stop()
        assert is_sound(server.folder / RAW_FILE)


@pytest.mark.parametrize(("point", "kept"), [("server.within_batch", 0), ("server.before_commit", 0), ("server.after_commit", 30)])
def test_of_a_batch_of_many_streams_a_killed_server_has_all_or_nothing(point: str, kept: int, tmp_path: Path):
    folder = tmp_path / "data"
    for n in range(30):
        write_journal(folder / "journal", [metrics(n)], run=f"r{n}")
    server = Server(tmp_path / "server")
    server.failpoints = f"{point}=kill:{10 if point == 'server.within_batch' else 2}"
    with server:
        with pytest.raises(RemoteUnavailable):
            sync_all(folder, server.url)
        eventually(server.has_ended)
        assert records_at(server) == kept
        server.failpoints = ""
        server.start()
        assert sync_all(folder, server.url).pending == 0
        assert records_at(server) == 30
        assert differences(folder, server.url) == []


def test_a_server_killed_while_it_packs_a_stream_has_every_call_once_and_packs_it_then(tmp_path: Path):
    folder = tmp_path / "data"
    server = Server(tmp_path / "server")
    server.failpoints = "server.while_packing=kill"
    with server, Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 20)
        eventually(lambda: records_at(server, folder) == records_in(folder))
        lines = ended(child, 20)
        eventually(server.has_ended)
        server.failpoints = ""
        server.start()
        eventually(lambda: items_in(server.folder / RAW_FILE) == 1)
        sync_all(folder, server.url)
        all_there(server, acknowledged(lines))
        assert differences(folder, server.url) == []
        server.stop()
        assert is_sound(server.folder / RAW_FILE)


def items_in(path: Path) -> int:
    """How many items a raw store holds."""
    with closing(apsw.Connection(str(path))) as db:
        return int(db.execute("SELECT count(*) FROM item").fetchone()[0])


def test_the_projector_of_a_killed_server_ends(server: Server):
    projector = Path(f"/proc/{server.projector}")
    server.kill()
    eventually(lambda: not projector.exists() or "Z" in (projector / "stat").read_text().rpartition(")")[2])
