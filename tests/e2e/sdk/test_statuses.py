"""Statuses are true: how a run ended, on a folder and through a server alike."""

import signal
import time
from pathlib import Path

import pytest

from tasuki.errors import ConfigError, Conflict, NotFound
from tasuki.settings import load
from tasuki.store import LocalStore
from tasuki.testing import FakeClock
from tests.support.processes import Child, eventually
from tests.support.query_targets import SERVER, Target
from tests.support.remote_server import Hung

LOGS = """
import sys, time, tasuki
run = tasuki.init(name="it")
run.log({"loss": 1.0})
print("run", run.id, flush=True)
for line in sys.stdin:
    run.log({"loss": 2.0})
"""
RESUMES = """
import os, sys, time, warnings, tasuki
began = time.monotonic()
with warnings.catch_warnings(record=True) as caught:
    tasuki.init("p", id="one", resume="allow", remote=sys.argv[1], dir=sys.argv[2])
print(time.monotonic() - began, flush=True)
print(caught[0].message, flush=True)
try:
    tasuki.init("p", id="two", resume="must", remote=sys.argv[1], dir=sys.argv[2])
except tasuki.TasukiError as error:
    print(error, flush=True)
os._exit(0)
"""
ENDS = {
    "returns": ("", "failed", "the interpreter ended without finish()"),
    "raises": ("raise ValueError('boom')", "failed", "ValueError: boom"),
    "raises in the block": ("with run: raise ValueError('boom')", "failed", "ValueError: boom"),
    "finishes": ("run.finish()", "finished", None),
    "finishes as failed": ("run.finish(status='failed', reason='diverged')", "failed", "diverged"),
    "finishes twice": ("run.finish('failed', 'first'); run.finish()", "failed", "first"),
    "leaves the block": ("with run: pass", "finished", None),
    "leaves with an exit code": ("sys.exit(3)", "failed", "the interpreter ended without finish()"),
}
MINUTE_US = 60_000_000


def begins(end: str) -> str:
    """A script that logs and ends like this."""
    return LOGS.partition("for line")[0] + end


def status_of(target: Target, run: str) -> tuple[str, str | None]:
    """How the run ended, and why, as the command says."""
    found = target.json("run", "show", run)["run"]
    return found["status"], found["reason"]


def shown(target: Target, run: str) -> str | None:
    """The run's status as a program sees it; None while it is not known."""
    with target.api() as api:
        found = {row.id: row for row in api.runs(target.project)} if target.project in api.projects() else {}
        return str(found[run].status) if run in found else None


def test_a_status_is_routed_to_the_server_however_the_run_ends(target: Target):
    runs = {}
    for name, (end, *_) in ENDS.items():
        with target.child(begins(end)) as child:
            runs[name] = child.expect("run ")
            child.end()
    with target.api() as api:
        ended = {row.id: row.row for row in api.runs(target.project)}
    found = {name: (str(ended[run].status), ended[run].reason) for name, run in runs.items()}
    assert found == {name: (status, reason) for name, (_, status, reason) in ENDS.items()}


def test_exit_without_finish_is_failed(target: Target):
    with target.child(begins("")) as child:
        child.done()
        assert child.complaints() == "", "an exit prints nothing"
    assert status_of(target, "it") == ("failed", "the interpreter ended without finish()")


def test_sigterm_mid_run_lands_quickly(target: Target):
    with target.child(LOGS) as child:
        run = child.expect("run ")
        eventually(lambda: shown(target, run) == "running")
        asked = time.monotonic()
        child.signal(signal.SIGTERM)
        assert child.process.wait(30) == -signal.SIGTERM
        eventually(lambda: shown(target, run) == "failed")
        assert time.monotonic() - asked < 2
    assert status_of(target, run) == ("failed", "SIGTERM")


def test_a_just_initialised_run_is_listed(target: Target):
    run = target.init("it")
    eventually(lambda: shown(target, run.id) == "running")
    (row,) = target.json("run", "list")["runs"]
    assert (row["id"], row["name"], row["status"], row["points"]) == (run.id, "it", "running", 0)


def test_a_killed_run_is_crashed_at_once_on_its_host_and_after_a_minute_of_silence_elsewhere(target: Target):
    with target.child(LOGS) as child:
        run = child.expect("run ")
        eventually(lambda: shown(target, run) == "running")
        child.kill()
        if target.kind == SERVER:
            assert shown(target, run) == "running", "it may only be silent"
        assert seen_at(target, run, MINUTE_US if target.kind == SERVER else 0) == "crashed"


def seen_at(target: Target, run: str, later_us: int) -> str:
    """The status that the same data has for those who look at it so much later."""
    folder = target.server.folder if target.server else target.folder
    clock = FakeClock()
    clock.us = time.time_ns() // 1000 + later_us
    with LocalStore(load(dir=str(folder)), clock=clock, wait_seconds=None) as store:
        return str(store.run(target.project, run).status)


def test_a_run_that_was_paused_for_two_heartbeats_and_woken_is_running_again(target: Target):
    with target.child(LOGS) as child:
        run = child.expect("run ")
        eventually(lambda: shown(target, run) == "running")
        child.signal(signal.SIGSTOP)
        assert seen_at(target, run, MINUTE_US - 20_000_000) == "running"
        assert seen_at(target, run, MINUTE_US + 20_000_000) == ("crashed" if target.kind == SERVER else "running")
        child.signal(signal.SIGCONT)
        time.sleep(0.1)
        child.tell("go on")
        eventually(lambda: points(target, run) == 2)
        assert shown(target, run) == seen_at(target, run, MINUTE_US - 20_000_000) == "running"


def points(target: Target, run: str) -> int:
    """How many values the run has logged, as those who ask know."""
    with target.api() as api:
        return api.run(run, target.project).row.points


def test_a_stop_is_taken_for_a_silent_run_and_refused_for_a_killed_one(target: Target):
    with target.child(LOGS) as child:
        run = child.expect("run ")
        eventually(lambda: shown(target, run) == "running")
        child.kill()
        folder = target.server.folder if target.server else target.folder
        clock = FakeClock()
        clock.us = time.time_ns() // 1000 + 2 * MINUTE_US
        with LocalStore(load(dir=str(folder)), clock=clock, wait_seconds=None) as store:
            if target.kind == SERVER:
                asked = store.stop(target.project, run, "over budget", "me")
                assert (asked.status, asked.stop.reason) == ("crashed", "over budget")
            else:
                with pytest.raises(Conflict, match="is crashed: there is nothing to stop"):
                    store.stop(target.project, run, None, None)


# -- attempts


def test_the_highest_attempt_speaks_for_a_run_that_is_resumed_by_a_beginning_of_its_id(target: Target):
    with target.init("it", id="resumed-1") as run:
        run.log({"loss": 1.0}, step=41)
        with pytest.raises(RuntimeError), run:
            raise RuntimeError("boom")
    again = target.init(id="resumed", resume="must")
    assert again.id == "resumed-1"
    again.log({"loss": 0.5})
    eventually(lambda: shown(target, "resumed-1") == "running")
    again.finish()
    found = target.json("run", "show", "resumed-1")
    assert (found["run"]["status"], found["run"]["attempt"], found["run"]["name"]) == ("finished", 2, "it")
    assert found["metrics"]["loss"]["last_step"] == 42
    with pytest.raises(Conflict, match="has a run 'resumed-1'"):
        target.init(id="resumed-1")


def test_a_run_is_resumed_from_another_machine_and_a_missing_one_is_said(target: Target, tmp_path: Path):
    with target.init("it", id="elsewhere-1") as run:
        run.log({"loss": 1.0}, step=41)
    other = target._replace(folder=tmp_path / "other") if target.kind == SERVER else target
    with other.init(id="elsewhere", resume="must") as run:
        run.log({"loss": 0.5})
    found = target.json("run", "show", "elsewhere-1")
    assert (found["run"]["attempt"], found["metrics"]["loss"]["last_step"]) == (2, 42)
    with pytest.raises(Conflict):
        other.init(id="elsewhere-1", resume="never")
    with pytest.raises(NotFound, match="has no run 'nowhere'"):
        other.init(id="nowhere", resume="must")
    with pytest.raises(ConfigError, match="needs an id"):
        other.init(resume="must")
    with other.init(id="else", resume="allow") as run:
        assert run.id == "else", "allow means this very id"


def test_a_server_that_hangs_delays_a_resumed_run_by_no_more_than_2_seconds(tmp_path: Path):
    with Hung() as hung, Child(RESUMES, hung.url, tmp_path) as child:
        seconds, warned, refused = child.done()
        assert float(seconds) < 2.5
        assert warned.startswith("whether the server has run 'one' is not known")
        assert "can't be asked about run 'two'" in refused
