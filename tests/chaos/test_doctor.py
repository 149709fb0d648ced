"""`tasuki doctor` as a process, when things are bad: what it says, its JSON, its exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tasuki.records import ReplicateRequest, unpack_item
from tasuki.relay.state.remote_status import status_path
from tasuki.testing import Fault, FaultProxy
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, free_port
from tests.support.shell import environment, python, tasuki
from tests.support.training_processes import AS_TOLD, logged

LEAVING = """
import os, tasuki
run = tasuki.init("p", remote={remote!r})
for n in range({calls}):
    run.log({{"loss": n}})
os._exit(0)
"""
NOTING = """
from tasuki import Brain
with Brain({folder!r}) as brain:
    brain.lesson("one")
    brain.lesson("two")
"""
LOCKING = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.pragma("locking_mode", sys.argv[2])
db.execute("BEGIN EXCLUSIVE")
db.execute("CREATE TABLE held (x)")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody answers."""
    return f"http://127.0.0.1:{free_port()}"


def doctor(folder: Path, code: int, **more: str) -> dict[str, dict[str, Any]]:
    """What doctor says in JSON, by name, with its exit code; the text says the same."""
    done, text = tasuki(folder, "doctor", "--json", **more), tasuki(folder, "doctor", **more)
    assert (done.returncode, text.returncode) == (code, code), done.stdout + done.stderr
    assert (done.stderr, text.stderr) == ("", "")
    found = json.loads(done.stdout)
    assert (found["schema"], found["state"]) == ("tasuki/doctor/1", ["ok", "degraded", "broken"][code])
    assert [line.split("\t")[:2] for line in text.stdout.splitlines()[1:]] == [
        [check["name"], check["state"]] for check in found["checks"]
    ]
    return {check["name"]: check for check in found["checks"]}


def leave(folder: Path, remote: str, calls: int) -> None:
    """A training that is gone before its relay has said a word, with all that it logged."""
    subprocess.run(
        [sys.executable, "-c", LEAVING.format(remote=remote, calls=calls)],
        env=environment(folder, TASUKI_FAILPOINTS="relay.round=hang"),
        check=True,
        stderr=subprocess.DEVNULL,
    )


def test_with_the_server_down_it_says_what_waits_and_that_nobody_sends(folder: Path, nowhere: str):
    leave(folder, nowhere, 9)
    found = doctor(folder, 1)[f"remote {nowhere}"]
    assert found["found"].startswith("sync_queue: 10 pending · oldest ")
    assert found["found"].endswith(" · nobody sends")
    assert found["hint"] == f"tasuki sync --to {nowhere}"


def test_with_the_server_down_and_a_training_alive_it_says_that_the_relay_backs_off(folder: Path, nowhere: str):
    with Child(AS_TOLD, nowhere, "main", folder) as child:
        logged(child, 20)
        eventually(lambda: "backing off" in tasuki(folder, "doctor").stdout)
        found = doctor(folder, 1)[f"remote {nowhere}"]
        assert "sync_queue: 21 pending" in found["found"]
        assert "last error" in found["found"]
        assert found["hint"] == f"tasuki remote test {nowhere}"


def test_1500_pending_are_a_backlog(folder: Path, nowhere: str):
    leave(folder, nowhere, 1499)
    tasuki(folder, "run", "list")
    found = doctor(folder, 1)[f"remote {nowhere}"]
    assert found["found"].startswith("sync_queue: 1500 pending · oldest ")
    assert found["found"].endswith(" · backlog")


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_a_store_that_another_process_has_locked_is_degraded_not_waited_for(folder: Path, nowhere: str, mode: str):
    leave(folder, nowhere, 9)
    tasuki(folder, "run", "list")
    leave(folder, nowhere, 9)
    (store,) = folder.glob("store.*.db")
    with Child(LOCKING, store, mode) as child:
        child.expect("held")
        found = doctor(folder, 1)
        assert ("has locked" if mode == "exclusive" else "behind the journals") in found["store"]["found"]
        assert found[f"remote {nowhere}"]["found"].startswith("sync_queue: 20 pending")


def test_a_relay_that_never_came_up_in_a_live_training_is_told(folder: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TASUKI_FAILPOINTS", "relay.round=hang")
    with Child(AS_TOLD, nowhere, "main", folder) as child:
        logged(child, 20)
        monkeypatch.delenv("TASUKI_FAILPOINTS")
        found = doctor(folder, 1)[f"remote {nowhere}"]
        assert found["found"].endswith(" · never reached · nobody sends")
        assert child.process.poll() is None


def test_a_relay_that_has_fallen_silent_in_a_live_training_is_told_by_its_process(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TASUKI_FAILPOINTS", "relay.round=hang:3")
    with Server(tmp_path / "server") as server, Child(AS_TOLD, server.url, "main", folder) as child:
        monkeypatch.delenv("TASUKI_FAILPOINTS")
        logged(child, 20)
        path = status_path(folder, server.url)
        eventually(path.exists)

        def silent() -> bool:
            """Two minutes later, as far as the relay's last word tells: one that is alive would have written another since."""
            logged(child, 1)
            said = json.loads(path.read_text())
            path.write_text(json.dumps(said | {"seen": said["seen"] - 120_000_000}))
            before = path.read_text()
            return "silent" in doctor_line(folder, server.url) and path.read_text() == before

        eventually(silent)
        found = doctor(folder, 1)[f"remote {server.url}"]
        assert f"the relay of process {child.pid} is silent" in found["found"]
        assert found["hint"] == f"tasuki sync --to {server.url}"


def doctor_line(folder: Path, remote: str) -> str:
    """What the text says of a remote."""
    lines = tasuki(folder, "doctor").stdout.splitlines()
    return next((line for line in lines if line.startswith(f"remote {remote}")), "")


def test_a_relay_that_has_died_and_was_started_again_is_counted(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TASUKI_FAILPOINTS", "relay.round=end:2")
    with Server(tmp_path / "server") as server, Child(AS_TOLD, server.url, "main", folder) as child:
        monkeypatch.delenv("TASUKI_FAILPOINTS")
        logged(child, 20)
        eventually(lambda: "relay restarted 1 times" in doctor_line(folder, server.url))
        eventually(lambda: "sync_queue: 0 pending" in doctor_line(folder, server.url))
        assert doctor(folder, 0)[f"remote {server.url}"]["state"] == "ok"


POISONED = """
import sys, tasuki
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
for n in range(10):
    run.alert("poison" if n == 4 else f"fine {n}")
run.finish()
"""


def test_frames_that_were_set_aside_are_told_with_the_reason_and_what_to_type(tmp_path: Path, folder: Path):
    def refuses(_: bytes, body: bytes) -> Fault:
        items = msgspec.msgpack.decode(body, type=ReplicateRequest).items
        return Fault.UNPROCESSABLE if any(b"poison" in unpack_item(item.data) for item in items if item.data) else Fault.NONE

    with Server(tmp_path / "server") as server, FaultProxy(server.port) as proxy:
        proxy.choose = refuses
        with Child(POISONED, proxy.url, folder) as child:
            child.done()
        found = doctor(folder, 1)[f"remote {proxy.url}"]
        assert " · 1 set aside: " in found["found"]
        assert "answered 422" in found["found"]
        assert found["hint"] == "tasuki sync retry --set-aside"


def test_a_folder_that_is_a_brain_is_said_to_have_its_notes(folder: Path):
    python(folder, NOTING.format(folder=str(folder)))
    assert doctor(folder, 0)["store"]["found"].endswith(" has everything: 2 notes")


def test_a_folder_that_is_none_is_broken(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    assert doctor(tmp_path / "file", 2)["data folder"]["state"] == "broken"
