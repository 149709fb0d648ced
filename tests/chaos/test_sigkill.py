"""Processes killed at random moments: what was acknowledged is there, once, exactly."""

import random
import signal
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tasuki.journal import JournalFolder, find_damage, open_journal
from tasuki.records import Metrics, RunStarted
from tasuki.settings import load
from tasuki.store import dump, open_folder_store
from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.journals import flip, journals, write_journal
from tests.support.processes import Child
from tests.support.shell import tasuki
from tests.support.soak import scaled

BEGIN = """
import sys, threading, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
say("ready")
"""
ONE = """
calls = Acknowledging(tasuki.init(PROJECT), "main")
while True:
    calls.log()
"""
THREADS = """
run = tasuki.init(PROJECT)
def forever(who):
    calls = Acknowledging(run, who)
    while True:
        calls.log()
for who in "abc":
    threading.Thread(target=forever, args=(who,), daemon=True).start()
forever("main")
"""
RUNS = """
while True:
    with tasuki.init(PROJECT) as run:
        calls = Acknowledging(run, "main")
        for _ in range(20):
            calls.log()
    say("finished", run.id)
"""
ROLLS = """
import tasuki.journal.appender
tasuki.journal.appender.MAX_FILE_BYTES = 2000
run = tasuki.init(PROJECT)
calls = Acknowledging(run, "main")
while True:
    calls.log()
    if calls.n % 50 == 0:
        run.appender.maintain()
"""
FORKS = """
import os
run = tasuki.init(PROJECT)
def forever(who):
    calls = Acknowledging(run, who)
    while True:
        calls.log()
for who in "ab":
    if os.fork() == 0:
        forever(who)
forever("main")
"""
TRAININGS = {"one": ONE, "threads": THREADS, "runs": RUNS, "rolls": ROLLS, "forks": FORKS}
TRIALS = scaled(5, 50)


def killed(script: str, seed: int) -> list[str]:
    """What a training said before it was killed, its forks with it, at a random moment."""
    moment = random.Random(seed).uniform(0, 0.3)
    with Child(BEGIN + script) as child:
        child.expect("ready")
        time.sleep(moment)
        child.kill_all()
        return child.lines


@pytest.mark.parametrize("seed", range(TRIALS))
@pytest.mark.parametrize("training", TRAININGS)
def test_every_acknowledged_call_survives_sigkill(training: str, seed: int, data_dir: Path, open_store: OpenStore):
    lines = killed(TRAININGS[training], seed)
    calls = acknowledged(lines)
    with open_store() as store:
        extra = check(store, calls)
        runs = store.runs(PROJECT) if store.projects() else []
    last = {(call.run, call.who): call.n for call in calls}
    for key, numbers in extra.items():
        assert numbers == {last.get(key, 0) + 1}, "one call at most was under way in each thread"
    finished = {line.partition(" ")[2] for line in lines if line.startswith("finished")}
    assert {f'["{run.id}"]' for run in runs if run.status == "finished"} >= finished
    assert sum(run.status != "finished" for run in runs) <= 1
    assert {run.status for run in runs} <= {"finished", "crashed"}, "at once, without a wait"


@pytest.mark.parametrize(("point", "written"), [("journal.before_write", 0), ("journal.after_write", 1)])
def test_a_process_killed_beside_its_write_has_all_calls_that_returned_and_no_other_but_that_one(
    point: str, written: int, data_dir: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TASUKI_FAILPOINTS", f"{point}=kill:40")
    with Child(BEGIN + ONE) as child:
        assert child.end() == -signal.SIGKILL
        calls = acknowledged(child.lines)
    monkeypatch.delenv("TASUKI_FAILPOINTS")
    assert len(calls) > 30
    with open_store() as store:
        assert sum(map(len, check(store, calls).values())) == written


def test_the_trials_hit_calls_and_ends_of_runs(data_dir: Path, open_store: OpenStore):
    """The trials above would prove little if they killed before anything happened."""
    with Child(BEGIN + RUNS) as child:
        child.expect("finished")  # however long that takes on this machine
        child.kill_all()
        assert len(acknowledged(child.lines)) >= 20


# -- readers


READER = """
import sys
from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.acknowledged_calls import say
say("ready")
with open_folder_store(load(), wait_seconds=None) as store:
    store.catch_up(None)
say("done")
"""


def recorded_runs(folder: Path, writers: int, calls: int) -> None:
    """Journals of processes that are gone; some are damaged."""
    for number in range(writers):
        records: Iterable[RunStarted | Metrics] = [
            RunStarted(time=number, attempt=f"a{number}"),
            *(Metrics(time=number + n, step=n, values={"loss": n / 7, "m": n % 5}) for n in range(calls)),
        ]
        path = write_journal(folder, records, project=PROJECT, run=f"run-{number % 5}", writer=f"{number:032x}", created=number)
        if number % 3 == 0:
            flip(path, path.stat().st_size // 2)


def logical(data_folder: Path) -> object:
    """Everything that the store says."""
    with open_folder_store(load(dir=str(data_folder)), wait_seconds=None) as store:
        store.catch_up(None)
        return dump(store.connection())


def test_a_reader_killed_again_and_again_leaves_nothing_half_done(data_dir: Path, tmp_path: Path, folder: JournalFolder):
    size = {"writers": scaled(30, 60), "calls": scaled(1000, 4000)}
    recorded_runs(data_dir / "journal", **size)
    recorded_runs(tmp_path / "calm" / "journal", **size)
    chance = random.Random(5)
    done = kills = 0
    while not done or kills < scaled(8, 60):
        with Child(READER) as child:
            child.expect("ready")
            time.sleep(chance.uniform(0, 0.1 * kills))  # at last it gets through
            child.kill()
            child.end()
            kills += 1
            done += "done" in child.lines[-1]
    assert logical(data_dir) == logical(tmp_path / "calm")
    assert {path.name for path in journals(data_dir)} == {path.name for path in journals(tmp_path / "calm")}
    for path in journals(data_dir):
        with open_journal(path) as view:
            assert view.header.is_sealed
            assert find_damage(view) is None
    leftovers = {path.suffix for path in (data_dir / "journal").rglob("*") if path.is_file()}
    assert leftovers <= {".tsk", ".damaged", ".lock"}, "a lock that a killed reader held goes an hour later"


POINTS_OF_READERS = {
    "seal.before_replace": ["run", "list", "--project", PROJECT],
    "seal.after_replace": ["run", "list", "--project", PROJECT],
    "projection.before_commit": ["run", "list", "--project", PROJECT],
    "projection.after_commit": ["rebuild"],
    "rebuild.before_promote": ["rebuild"],
    "rebuild.after_promote": ["rebuild"],
}


@pytest.mark.parametrize("point", POINTS_OF_READERS)
def test_a_reader_killed_while_it_seals_projects_or_rebuilds_leaves_nothing_half_done(point: str, data_dir: Path, tmp_path: Path):
    recorded_runs(data_dir / "journal", writers=6, calls=300)
    recorded_runs(tmp_path / "calm" / "journal", writers=6, calls=300)
    command = POINTS_OF_READERS[point]
    killed = tasuki(data_dir, *command, TASUKI_FAILPOINTS=f"{point}=kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert tasuki(data_dir, *command, TASUKI_FAILPOINTS=f"{point}=kill:2").returncode in (0, -signal.SIGKILL)
    assert tasuki(data_dir, *command).returncode == 0
    assert logical(data_dir) == logical(tmp_path / "calm")
    assert {path.name for path in journals(data_dir)} == {path.name for path in journals(tmp_path / "calm")}


def test_readers_at_once_over_one_folder_seal_and_project_everything_once(data_dir: Path, tmp_path: Path):
    recorded_runs(data_dir / "journal", writers=12, calls=500)
    recorded_runs(tmp_path / "calm" / "journal", writers=12, calls=500)
    with ExitStack() as stack:
        for reader in [stack.enter_context(Child(READER)) for _ in range(4)]:
            assert reader.done()[-1].startswith("done")
    assert logical(data_dir) == logical(tmp_path / "calm")
