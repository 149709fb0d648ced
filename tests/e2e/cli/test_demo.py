import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasuki.demo.check import PROJECT, check_call_log, list_run_statuses, wait_for_projection
from tasuki.demo.run import TrainingProcess
from tasuki.records import Status
from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.shell import TASUKI, environment, tasuki


@pytest.mark.timeout(120)
def test_the_demo_in_an_empty_folder_checks_every_record(tmp_path: Path) -> None:
    done = tasuki(tmp_path / "data", "demo", "--check")
    assert done.returncode == 0, done.stderr
    *table, checked = done.stdout.splitlines()
    assert [line.split("\t")[2] for line in table] == ["status", "finished", "finished", "failed"]
    words = checked.split()
    assert (words[0], words[2:]) == ("checked:", ["records", "in", "3", "runs,", "all", "on", "the", "server"])
    assert int(words[1]) > 2000
    runs = json.loads(tasuki(tmp_path / "data", "run", "list", "--project", PROJECT, "--json").stdout)["runs"]
    assert [(run["name"], run["last"]["train/loss"] == "NaN") for run in runs] == [
        ("lr-0.01", False),
        ("lr-0.1", False),
        ("lr-100", True),
    ]
    assert tasuki(tmp_path / "data", "verify").returncode == 0
    assert tasuki(tmp_path / "data" / "server", "verify").returncode == 0
    assert "sent and verified" in done.stderr


def test_a_record_that_is_not_in_the_store_is_found(tmp_path: Path) -> None:
    settings = load({}, dir=str(tmp_path / "data"))
    training = TrainingProcess(settings, tmp_path, steps_per_second=None)
    training.wait()
    with open_folder_store(settings) as store:
        wait_for_projection(store)
        runs = list_run_statuses(store, training.group)
        whole = check_call_log(store, training.call_log)
        with training.call_log.open("a") as ledger:
            ledger.write(json.dumps({"run": runs[0].id, "step": 1410, "values": {"train/loss": (0.5).hex()}}) + "\n")
        tampered = check_call_log(store, training.call_log)
    assert [run.status for run in runs] == [Status.FINISHED, Status.FINISHED, Status.FAILED]
    assert (whole.runs, whole.problems) == (3, [])
    assert tampered.records == whole.records + 1
    assert len(tampered.problems) == 1
    assert "1 calls of log() are missing" in tampered.problems[0]


def test_ctrl_c_stops_the_training_and_exits_with_130(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*TASUKI, "demo"], env=environment(tmp_path, COLUMNS="120", TERM="xterm"), stdout=theirs, stderr=theirs
    ) as demo:
        os.close(theirs)
        shown = b""
        try:
            while b"running" not in shown:
                shown += os.read(ours, 65536)
        finally:
            demo.send_signal(signal.SIGINT)
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # how a terminal says that the other side has gone
            pass
    os.close(ours)
    assert demo.returncode == 130
    assert b"Traceback" not in shown
    with open_folder_store(load({}, dir=str(tmp_path))) as store:
        [run] = store.runs(PROJECT)
    assert (run.status, run.reason) == (Status.FAILED, "KeyboardInterrupt")


def test_without_scikit_learn_the_demo_says_what_to_install(tmp_path: Path) -> None:
    script = "import sys; sys.modules['sklearn'] = None\nfrom tasuki.cli import main\nmain(['demo', '--check'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'tasuki[demo]'" in done.stderr
