"""`tasuki exec`: any program as a run, on a folder and through a server alike."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.query_targets import Target
from tests.support.shell import TASUKI, environment

PROGRAM = """
import sys, time
print("mesh of 3 cells ✓", flush=True)
print("residual is large", file=sys.stderr, flush=True)
sys.stdout.buffer.write(b"\\xff\\n")
sys.exit(int(sys.argv[1]))
"""
WAITS = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: print("checkpoint", flush=True))
print("ready", flush=True)
while True: time.sleep(0.05)
"""


def execute(target: Target, *command: str) -> "subprocess.Popen[bytes]":
    """Start `tasuki exec` where the target records."""
    variables = environment(target.folder, TASUKI_PROJECT=target.project, **({"TASUKI_REMOTE": target.url} if target.url else {}))
    return subprocess.Popen([*TASUKI, "exec", *command], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("code", [0, 3])
def test_a_program_is_a_run_whose_output_exit_code_and_duration_are_kept(target: Target, code: int):
    secret = f"--api-key={'k' * 20}"
    process = execute(target, "--name", "solver", "--tag", "cfd", "--", sys.executable, "-c", PROGRAM, str(code), secret)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "mesh of 3 cells ✓\n".encode() + b"\xff\n", b"residual is large\n")
    (run,) = target.json("run", "list")["runs"]
    assert (run["name"], run["status"], run["tags"]) == ("solver", "failed" if code else "finished", ["cfd"])
    assert run["reason"] == (f"exit code {code}" if code else None)
    shown = target.json("run", "show", run["id"])["run"]
    assert shown["duration"] > 0
    assert shown["config"]["exit_code"] == code
    assert shown["config"]["command"] == [sys.executable, "-c", PROGRAM, str(code), "--api-key=***"]
    assert target.ask("run", "output", "solver", "--name", "stdout").stdout == "mesh of 3 cells ✓\n\ufffd\n"
    both = target.json("run", "output", "solver")["texts"]
    assert {text["name"] for text in both} == {"stdout", "stderr"}
    missing = target.ask("run", "output", "solver", "--name", "git.diff")
    assert (missing.returncode, missing.stderr.splitlines()[1]) == (3, "hint: there are stderr, stdout")


def test_signals_are_passed_on_and_a_stop_ends_the_program(target: Target):
    process = execute(target, "--name", "solver", "--", sys.executable, "-c", WAITS)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"checkpoint\n"
        eventually(lambda: target.ask("run", "stop", "solver", "--reason", "over budget").returncode == 0)
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.communicate()
    shown = target.json("run", "show", "solver")["run"]
    assert (shown["status"], shown["reason"]) == ("failed", "killed by SIGTERM")
    assert shown["stop"]["reason"] == "over budget"
    assert target.ask("run", "output", "solver").stdout == "ready\ncheckpoint\n"


def test_a_program_that_is_not_there_makes_no_run(target: Target):
    process = execute(target, "--", "no-such-solver")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.decode().startswith("error: there is no program 'no-such-solver'\n")
    assert not list(target.folder.rglob("*.tsk"))


def test_a_reader_that_leaves_ends_a_program_that_prints_for_ever(tmp_path: Path):
    line = f"{' '.join(TASUKI)} exec --project p -- yes | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.stdout == f"y\n{128 + signal.SIGPIPE}\n"
    assert "Traceback" not in done.stderr


def test_what_a_program_leaves_behind_does_not_hold_its_run(tmp_path: Path):
    done = subprocess.run(
        [*TASUKI, "exec", "--project", "p", "--", "bash", "-c", "sleep 60 & echo started"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, b"started\n")
