"""Eight processes logging into one project, whatever happens to the store meanwhile."""

import time
from contextlib import ExitStack
from pathlib import Path

from tasuki.store import connect_projection
from tests.chaos.conftest import OpenStore
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.processes import Child
from tests.support.soak import scaled

PACED = """
import sys, time, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
run = tasuki.init(PROJECT)
calls = Acknowledging(run, sys.argv[1])
say("ready")
sys.stdin.readline()
begun = time.monotonic()
for n in range(int(float(sys.argv[2]) * 300)):
    calls.log()
    time.sleep(max(0, begun + n / 300 - time.monotonic()))
run.finish()
"""
PROCESSES = 8
SECONDS = scaled(4, 60)


def test_eight_processes_lose_nothing_while_another_holds_the_stores_lock(data_dir: Path, open_store: OpenStore):
    with ExitStack() as stack:
        children = [stack.enter_context(Child(PACED, f"p{n}", SECONDS)) for n in range(PROCESSES)]
        for child in children:
            child.expect("ready")
        with open_store() as store:
            store.catch_up()
            path = store.path
        assert path is not None
        for child in children:
            child.tell("go")
        time.sleep(0.5)
        db = connect_projection(path)
        db.execute("BEGIN IMMEDIATE")
        held_from = time.time_ns() // 1000
        time.sleep(2)
        held_until = time.time_ns() // 1000
        db.execute("COMMIT")
        db.close()
        with open_store() as store:
            store.catch_up()  # while they log
        calls = [call for child in children for call in acknowledged(child.done())]

    assert len(calls) == PROCESSES * SECONDS * 300
    meanwhile = [call for call in calls if held_from < call.before and call.after < held_until]
    assert len(meanwhile) > PROCESSES * 300, "they logged on while the lock was held"
    with open_store() as store:
        assert check(store, calls) == {}
        assert [run.status for run in store.runs(PROJECT)] == ["finished"] * PROCESSES
        assert sum(run.points for run in store.runs(PROJECT)) == 2 * len(calls)
