"""What a run notes by itself, on a folder and through a server alike."""

import subprocess
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.query_targets import Target

LOGS = """
import os, sys
os.chdir(sys.argv[1])
os.environ.update(TASUKI_CAPTURE_GIT="1", SLURM_JOB_ID="42", SLURM_TOKEN="secret", PBS_JOBID="7.server")
sys.argv[1:] = ["--lr", "0.1", "--token", "s3cr3t", "--password=hunter22"]
import tasuki
with tasuki.init(name="it") as run:
    run.log({"loss": 1.0})
"""
SAMPLED = """
import sys, time, tasuki
run = tasuki.init(name="it", system_metrics=float(sys.argv[1]) if sys.argv[1:] else False)
run.log({"loss": 1.0}, step=7)
print("run", run.id, flush=True)
sys.stdin.readline()
run.finish()
"""
LOOPS = """
import sys, tasuki
run = tasuki.init(name="it")
for epoch in run.progress(range(3)):
    for step in run.progress(iter("abc"), total=3):
        run.log({"loss": 1.0})
print("run", run.id, flush=True)
run.finish()
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A working tree with a commit and changes."""
    root = tmp_path / "code"
    (root / "inner").mkdir(parents=True)
    (root / "train.py").write_text("lr = 0.1\n")
    (root / ".env").write_text("A=1\n")

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("add", "-A")
    git("commit", "-m", "first")
    (root / "train.py").write_text(f"lr = 0.3\napi_key = 'abcdef123456'\nhub = 'hf_{'x' * 30}'\n")
    (root / ".env").write_text("A=supersecret\n")
    return root


def test_a_run_notes_the_commit_and_the_changes_without_secrets(target: Target, checkout: Path):
    with target.child(LOGS, checkout / "inner") as child:
        child.done()
    found = target.json("run", "show", "it")["run"]["environment"]
    commit = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert found["git"] == {"branch": "main", "commit": commit.stdout.strip()}
    assert found["scheduler"] == {"SLURM_JOB_ID": "42", "PBS_JOBID": "7.server"}
    assert found["argv"] == ["-c", "--lr", "0.1", "--token", "***", "--password=***"]
    assert {"host", "python"} <= found.keys()
    diff = target.ask("run", "output", "it", "--name", "git.diff").stdout
    assert "-lr = 0.1\n+lr = 0.3\n+api_key = '***'\n+hub = '***'\n" in diff
    assert "supersecret" not in diff
    assert "diff --git a/.env b/.env\n(*** left out: it may hold secrets)\n" in diff


def test_how_busy_the_machine_is_is_logged_at_the_runs_step_and_can_be_switched_off(target: Target):
    with target.child(SAMPLED, 1) as child:
        run = child.expect("run ")

        def metrics() -> dict:
            with target.api() as api:
                return api.run(run, target.project).final_metrics() if target.project in api.projects() else {}

        eventually(lambda: "system/process/memory_mib" in metrics())
        child.tell("end")
        child.done()
        assert 5 < metrics()["system/process/memory_mib"] < 200
        assert {"system/cpu_percent", "system/memory_percent", "system/disk/free_gib"} <= metrics().keys()
        assert {row["step"] for row in target.json("run", "history", run)["rows"]} == {7}
        assert target.json("run", "list")["runs"][0]["last"].keys() >= {"loss"}
    listed = target.ask("run", "list").stdout.splitlines()[0].split("\t")
    assert "loss" in listed
    assert not [column for column in listed if column.startswith("system/")]


def test_system_metrics_are_off_where_that_is_said(target: Target):
    with target.child(SAMPLED) as child:
        child.expect("run ")
        child.tell("end")
        child.done()
    assert target.json("run", "show", "it")["metrics"].keys() == {"loss"}


def test_the_progress_of_the_outermost_loop_is_on_record(target: Target):
    with target.child(LOOPS) as child:
        child.done()
        assert child.complaints() == "", "nothing is drawn where no terminal is"
    progress = target.json("run", "show", "it")["run"]["progress"]
    assert (progress["done"], progress["total"]) == (3, 3)
    assert progress["left"] in (0, None)
