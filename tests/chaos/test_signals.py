"""Storms of signals, threads, forks and spawns: every acknowledged call once, every file readable."""

from pathlib import Path

import pytest

from tasuki.journal import JournalFolder, find_damage, open_journal
from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.journals import journals
from tests.support.processes import Child
from tests.support.soak import scaled

STORM = """
import signal, sys, threading, time, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
class Storm(Exception):
    pass
hits = 0
def raises(number, frame):
    global hits
    while frame:
        if frame.f_code is Acknowledging.log.__code__:
            hits += 1
            raise Storm
        frame = frame.f_back
run = tasuki.init(PROJECT)
going = True
def forever(who):
    calls = Acknowledging(run, who)
    while going:
        calls.log()
threads = [threading.Thread(target=forever, args=(who,)) for who in "abc"]
for thread in threads:
    thread.start()
signal.signal(signal.SIGALRM, raises)
calls, end = Acknowledging(run, "main"), time.monotonic() + float(sys.argv[1])
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
while time.monotonic() < end:
    try:
        calls.log()
    except Storm:
        pass
signal.signal(signal.SIGALRM, signal.SIG_IGN)
going = False
for thread in threads:
    thread.join()
run.finish()
say("hits", hits)
"""
FORKS = """
import os, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many
run = tasuki.init(PROJECT)
count = int(sys.argv[1])
for n in range(4):
    if os.fork() == 0:
        log_many(run, f"child-{n}", count)
        os._exit(0)
log_many(run, "parent", count)
for n in range(4):
    assert os.wait()[1] == 0
run.finish()
"""
GENERATIONS = """
import os, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many
run = tasuki.init(PROJECT)
for n in range(6):
    log_many(run, f"generation-{n}", 20)
    if pid := os.fork():
        os.waitpid(pid, 0)
        log_many(run, f"generation-{n} again", 20)
        run.finish()
        break
"""
SPAWNS = """
import multiprocessing, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many
run = tasuki.init(PROJECT)
context = multiprocessing.get_context(sys.argv[1])
workers = [context.Process(target=log_many, args=(run, f"worker-{n}", 100)) for n in range(3)]
for worker in workers:
    worker.start()
log_many(run, "parent", 100)
for worker in workers:
    worker.join()
    assert worker.exitcode == 0
run.finish()
"""
FORKS_AMONG_THREADS = """
import os, sys, threading, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, log_many
run = tasuki.init(PROJECT)
going = True
def forever(who):
    calls = Acknowledging(run, who)
    while going:
        calls.log()
threads = [threading.Thread(target=forever, args=(who,)) for who in "abc"]
for thread in threads:
    thread.start()
for n in range(int(sys.argv[1])):
    if os.fork() == 0:
        log_many(run, f"child-{n}", 30)
        os._exit(0)
    log_many(run, f"parent-{n}", 30)
    assert os.wait()[1] == 0
going = False
for thread in threads:
    thread.join()
run.finish()
"""


def assert_all_readable(folder: Path) -> None:
    """No journal has a hole."""
    for path in journals(folder):
        with open_journal(path) as view:
            assert find_damage(view) is None


def test_a_storm_of_signals_that_raise_loses_and_doubles_nothing(data_dir: Path, open_store: OpenStore):
    with Child(STORM, scaled(1, 60)) as child:
        lines = child.done()
        calls = acknowledged(lines)
        hits = int(child.expect("hits ").strip("[]"))
    assert hits > 100, "there was a storm"
    assert {call.who for call in calls} == {"main", "a", "b", "c"}
    with open_store() as store:
        extra = check(store, calls)
    assert {who for _, who in extra} <= {"main"}, "only where the signals were raised a call may be there unacknowledged"
    assert sum(map(len, extra.values())) <= hits
    assert_all_readable(data_dir)


def test_five_processes_that_log_after_a_fork_lose_and_double_nothing(data_dir: Path, open_store: OpenStore):
    count = scaled(500, 20_000)
    with Child(FORKS, count) as child:
        calls = acknowledged(child.done())
    assert len(calls) == 5 * count
    with open_store() as store:
        assert check(store, calls) == {}
        assert [run.status for run in store.runs(PROJECT)] == ["finished"]
    assert len(journals(data_dir)) == 5
    assert_all_readable(data_dir)


def test_a_fork_of_a_fork_of_a_fork_logs_to_the_same_run(data_dir: Path, open_store: OpenStore):
    with Child(GENERATIONS) as child:
        calls = acknowledged(child.done())
    assert len({call.who for call in calls}) > 6
    with open_store() as store:
        assert check(store, calls) == {}
        assert [run.status for run in store.runs(PROJECT)] == ["finished"]


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_multiprocessing_log_to_the_run_they_were_given(method: str, data_dir: Path, open_store: OpenStore):
    with Child(SPAWNS, method) as child:
        calls = acknowledged(child.done())
    assert len(calls) == 400
    with open_store() as store:
        assert check(store, calls) == {}
        assert [run.status for run in store.runs(PROJECT)] == ["finished"]
    assert_all_readable(data_dir)


def test_forks_while_threads_log_lose_and_double_nothing(data_dir: Path, open_store: OpenStore, folder: JournalFolder):
    with Child(FORKS_AMONG_THREADS, scaled(15, 300)) as child:
        calls = acknowledged(child.done())
    with open_store() as store:
        assert check(store, calls) == {}
    assert {"a", "b", "c", "child-0", "parent-0"} <= {call.who for call in calls}
    assert_all_readable(data_dir)
    assert folder.unreadable_journals() == []
