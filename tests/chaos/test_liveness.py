"""Dead, alive or unknown, judged from outside, of owners that are real processes."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tasuki.journal import JournalFileInfo, JournalFolder, Liveness, identify_current_process
from tasuki.settings import load
from tasuki.store import LocalStore
from tasuki.testing import FakeClock
from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.processes import Child, eventually

LOGGING = """
import sys, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
run = tasuki.init(PROJECT)
calls = Acknowledging(run, "main")
calls.log()
say("began", run.id)
for line in sys.stdin:
    calls.log()
"""
READS_ITS_OWN_FOLDER = """
import tasuki, sys
from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
run = tasuki.init(PROJECT)
calls = Acknowledging(run, "main")
for _ in range(50):
    calls.log()
    with open_folder_store(load(), wait_seconds=None) as store:
        store.catch_up()
        say("status", store.run(PROJECT, run.id).status)
say("began", run.id)
for line in sys.stdin:
    calls.log()
"""
OUTLIVED = """
import os, sys, time, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
run = tasuki.init(PROJECT)
Acknowledging(run, "parent").log()
if os.fork() == 0:
    calls = Acknowledging(run, "worker")
    while True:
        calls.log()
        say("worker", os.getpid())
        time.sleep(0.01)
say("began", run.id)
time.sleep(60)
"""
JUDGES_ITS_PARENT = """
import os, sys, time, tasuki
from tasuki.journal import JournalFolder
from tasuki.settings import load
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
run = tasuki.init(PROJECT)
Acknowledging(run, "parent").log()
parent = os.getpid()
if os.fork() == 0:
    Acknowledging(run, "worker").log()
    say("began", run.id)
    while os.getppid() == parent:
        time.sleep(0.01)
    folder = JournalFolder(load().journal_root)
    for journal in folder.journals():
        say("judged", journal.header.pid == os.getpid(), folder.check_liveness(journal).value)
    say("sealed", len(folder.seal_dead_writers()))
    os._exit(0)
time.sleep(60)
"""
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def only(folder: JournalFolder) -> JournalFileInfo:
    """The one journal there is."""
    (journal,) = folder.journals()
    return journal


def may_unshare() -> bool:
    """Whether this machine lets us make a pid namespace."""
    return shutil.which("unshare") is not None and subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0


@pytest.fixture
def namespace() -> list[str]:
    """Runs a command in a pid namespace of its own."""
    if not may_unshare():
        if os.environ.get("CI"):
            pytest.fail("unshare -p is not permitted here")
        pytest.skip("unshare -p is not permitted here")
    return NAMESPACE


def test_an_owner_that_logs_is_alive_and_its_run_is_running(data_dir: Path, folder: JournalFolder, open_store: OpenStore):
    with Child(LOGGING) as child, open_store() as store:
        child.expect("began")
        assert [run.status for run in store.runs(PROJECT)] == ["running"]
        assert folder.check_liveness(only(folder)) is Liveness.ALIVE
        assert not only(folder).is_sealed


def test_an_owner_that_reads_its_own_folder_stays_alive(data_dir: Path, folder: JournalFolder, open_store: OpenStore):
    with Child(READS_ITS_OWN_FOLDER) as child:
        child.expect("began")
        assert {line for line in child.lines if line.startswith("status")} == {'status ["running"]'}
        assert folder.check_liveness(only(folder)) is Liveness.ALIVE
        child.tell("go on")
        child.expect("ack", 51)
        with open_store() as store:
            assert store.runs(PROJECT)[0].status == "running"
            assert check(store, acknowledged(child.lines)) == {}
        child.kill()
        assert folder.check_liveness(only(folder)) is Liveness.DEAD


def test_a_killed_owner_is_dead_and_its_journal_is_sealed_by_a_reader(data_dir: Path, folder: JournalFolder, open_store: OpenStore):
    with Child(LOGGING) as child:
        child.expect("began")
        child.kill()
        assert folder.check_liveness(only(folder)) is Liveness.DEAD
        with open_store() as store:
            assert store.runs(PROJECT)[0].status == "crashed"
        assert only(folder).is_sealed
        assert [path.suffix for path in only(folder).path.parent.iterdir()] == [".tsk"]


def test_a_killed_owner_that_nobody_has_waited_for_is_dead(data_dir: Path, folder: JournalFolder, open_store: OpenStore):
    with Child(LOGGING) as child:
        child.expect("began")
        child.signal(signal.SIGKILL)
        eventually(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z")
        assert folder.check_liveness(only(folder)) is Liveness.DEAD
        with open_store() as store:
            assert store.runs(PROJECT)[0].status == "crashed"
        eventually(
            lambda: bool(folder.seal_dead_writers()) or only(folder).is_sealed
        )  # its last thread may take a moment longer to die


def test_a_stopped_owner_is_alive_and_goes_on(data_dir: Path, folder: JournalFolder, open_store: OpenStore):
    with Child(LOGGING) as child:
        child.expect("began")
        child.signal(signal.SIGSTOP)
        eventually(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "T")
        assert folder.check_liveness(only(folder)) is Liveness.ALIVE
        with open_store() as store:
            assert store.runs(PROJECT)[0].status == "running"
        assert not only(folder).is_sealed
        child.signal(signal.SIGCONT)
        child.tell("go on")
        child.expect("ack", 2)
        with open_store() as store:
            assert check(store, acknowledged(child.lines)) == {}


def test_a_worker_that_outlives_its_killed_parent_is_alive_and_the_parent_is_dead(
    data_dir: Path, folder: JournalFolder, open_store: OpenStore
):
    with Child(OUTLIVED) as child:
        child.expect("began")
        worker = child.expect("worker ").strip("[]")
        by_pid = {str(journal.header.pid): journal for journal in folder.journals()}
        child.kill()
        assert folder.check_liveness(by_pid[str(child.pid)]) is Liveness.DEAD
        assert folder.check_liveness(by_pid[worker]) is Liveness.ALIVE
        with open_store() as store:
            assert store.runs(PROJECT)[0].status == "crashed"
        assert {str(journal.header.pid): journal.is_sealed for journal in folder.journals()} == {
            str(child.pid): True,
            worker: False,
        }
        said = len(acknowledged(child.lines))
        child.expect("ack", said + 5)
        os.kill(int(worker), signal.SIGKILL)
        child.reader.join()
        with open_store() as store:
            extra = check(store, acknowledged(child.lines))
        assert sum(map(len, extra.values())) <= 1
        assert all(journal.is_sealed for journal in folder.journals())


def test_a_worker_that_outlives_its_parent_sees_that_it_is_dead(data_dir: Path, folder: JournalFolder):
    """A lock that was this process's own before the fork is another's afterwards."""
    with Child(JUDGES_ITS_PARENT) as child:
        child.expect("began")
        child.kill()
        assert child.expect("sealed ") == "[1]"
        assert sorted(line for line in child.lines if line.startswith("judged")) == [
            'judged [false, "dead"]',
            'judged [true, "alive"]',
        ]


# -- where the owner can't be seen


def test_a_dead_owner_of_another_pid_namespace_is_unknown_and_its_journal_is_left_alone(
    data_dir: Path, folder: JournalFolder, open_store: OpenStore, namespace: list[str]
):
    with Child(LOGGING, prefix=namespace) as child:
        child.expect("began")
        assert only(folder).header.pid_namespace != identify_current_process().pid_namespace
        assert folder.check_liveness(only(folder)) is Liveness.ALIVE, "its lock can be seen, if nothing else"
        child.kill_all()
        content = only(folder).path.read_bytes()
        assert folder.check_liveness(only(folder)) is Liveness.UNKNOWN
        with open_store() as store:
            assert store.runs(PROJECT)[0].status == "running", "it may only be silent"
            check(store, acknowledged(child.lines))
        assert only(folder).path.read_bytes() == content


def test_an_unknown_owner_is_taken_for_crashed_after_a_minute_of_silence(
    data_dir: Path, folder: JournalFolder, namespace: list[str]
):
    with Child(LOGGING, prefix=namespace) as child:
        child.expect("began")
        child.kill_all()
    settings = load(dir=str(data_dir))
    clock = FakeClock()
    with LocalStore(settings, clock=clock, wait_seconds=None) as store:
        updated = store.projects()[0].updated
        clock.us = updated + 59_000_000
        assert store.runs(PROJECT)[0].status == "running"
        clock.us = updated + 61_000_000
        assert store.runs(PROJECT)[0].status == "crashed"
    assert not only(folder).is_sealed


def test_a_living_owner_of_another_host_is_unknown_and_left_alone(
    data_dir: Path, tmp_path: Path, namespace: list[str], monkeypatch: pytest.MonkeyPatch
):
    """Journals on a volume: from the other data folder neither the process nor its lock can be seen."""
    monkeypatch.setenv("TASUKI_JOURNAL", str(tmp_path / "volume"))
    with Child(LOGGING, prefix=namespace) as child:
        child.expect("began")
        settings = load(dir=str(tmp_path / "other"))
        folder = JournalFolder(settings.journal_root, settings.lock_root)
        assert folder.check_liveness(only(folder)) is Liveness.UNKNOWN
        with LocalStore(settings, wait_seconds=None) as store:
            assert store.runs(PROJECT)[0].status == "running"
            assert check(store, acknowledged(child.lines)) == {}
            child.tell("go on")
            child.expect("ack", 2)
            assert check(store, acknowledged(child.lines)) == {}
        assert not only(folder).is_sealed
