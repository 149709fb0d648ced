"""Processes with a relay, killed at random moments: a later one brings the rest, and the server has every call once."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasuki.client.http_query import HttpQuery
from tasuki.records import Status
from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.acknowledged_calls import acknowledged, check
from tests.support.journals import journals
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, differences, records_at, records_in, sync_all
from tests.support.soak import scaled

BEGIN = """
import os, sys, threading, time, tasuki
from tests.support.acknowledged_calls import Acknowledging, say
project, remote = sys.argv[1:]
def begin():
    return tasuki.init(project, remote=remote)
def forever(run, who, seconds=0.002):
    calls = Acknowledging(run, who)
    while True:
        calls.log()
        if calls.n % 5 == 0 and seconds:
            time.sleep(seconds)
say("ready")
"""
ONE = """
forever(begin(), "main")
"""
FLOOD = """
forever(begin(), "main", seconds=0)
"""
THREADS = """
run = begin()
for who in "abc":
    threading.Thread(target=forever, args=(run, who), daemon=True).start()
forever(run, "main")
"""
RUNS = """
while True:
    with begin() as run:
        calls = Acknowledging(run, "main")
        for _ in range(20):
            calls.log()
    say("finished", run.id)
"""
FORKS = """
run = begin()
for who in "ab":
    if os.fork() == 0:
        forever(run, who)
forever(run, "main")
"""
TRAININGS = {"one": ONE, "flood": FLOOD, "threads": THREADS, "runs": RUNS, "forks": FORKS}
LONGEST_SECONDS = {"flood": 0.6}
"""Others are killed within two seconds: their relays have asked by then, sent, and begun to send again."""
TRIALS = scaled(2, 50)
QUESTION_BYTES = 2000
ESTABLISHED = "01"
"""A state of a connection, as Linux writes it: include/net/tcp_states.h"""
NEXT = """
import sys, tasuki
from tests.support.acknowledged_calls import say
say("finished", tasuki.init("next", remote=sys.argv[1]).finish())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


def killed(training: str, project: str, remote: str, seed: int) -> list[str]:
    """What a training said before it was killed, its forks with it, at a random moment."""
    moment = random.Random(f"{training} {seed}").uniform(0, LONGEST_SECONDS.get(training, 2.0))
    with Child(BEGIN + TRAININGS[training], project, remote) as child:
        child.expect("ready")
        time.sleep(moment)
        child.kill_all()
        return child.lines


def bring_the_rest(data_dir: Path, remote: str, seed: int) -> None:
    """By the next process with this remote, or by hand."""
    if seed % 2:
        sent = sync_all(data_dir, remote)
        assert (sent.pending, sent.dead_letters) == (0, {})
        return
    with Child(NEXT, remote) as child:
        child.done()
        assert child.expect("finished").endswith('"pending": 0}]')


def assert_every_call_is_there_once(query: HttpQuery, project: str, lines: list[str]) -> None:
    """And besides them at most the one call of each thread that was under way when it died."""
    calls = acknowledged(lines)
    if not calls and project not in {row.name for row in query.projects()}:
        return
    extra = check(query, calls, project=project)  # type: ignore[arg-type] # it asks what any `Query` answers
    last = {(call.run, call.who): call.n for call in calls}
    for key, numbers in extra.items():
        assert numbers == {last.get(key, 0) + 1}
    runs = query.runs(project)
    finished = {line.partition(" ")[2] for line in lines if line.startswith("finished")}
    assert {f'["{run.id}"]' for run in runs if run.status == Status.FINISHED} >= finished
    assert sum(run.status != Status.FINISHED for run in runs) <= 1
    assert {run.status for run in runs} <= {Status.FINISHED, Status.CRASHED}, "at once, without a wait"


@pytest.mark.parametrize("seed", range(TRIALS))
@pytest.mark.parametrize("training", TRAININGS)
def test_every_acknowledged_call_of_a_killed_process_comes_to_the_server_once(
    training: str, seed: int, data_dir: Path, server: Server
):
    project = f"{training}-{seed}"
    lines = killed(training, project, server.url, seed)
    bring_the_rest(data_dir, server.url, seed)
    with server.caught_up() as query:
        assert_every_call_is_there_once(query, project, lines)
        with open_folder_store(load(dir=str(data_dir)), wait_seconds=None) as store:
            if project in {row.name for row in store.projects()}:
                assert [run.points for run in store.runs(project)] == [run.points for run in query.runs(project)]
    assert differences(data_dir, server.url) == []


def test_the_trials_kill_while_part_of_it_is_sent(data_dir: Path, tmp_path: Path):
    """The trials above would prove little if nothing, or everything, had been sent by then."""
    with Server(tmp_path / "server") as server, Child(BEGIN + ONE, "p", server.url) as child:
        child.expect("ready")
        eventually(lambda: bool(journals(data_dir)) and records_at(server) > 100)
        child.kill()
        assert 100 < records_at(server) < records_in(data_dir)


def test_a_process_killed_while_its_request_is_under_way_loses_and_doubles_nothing(data_dir: Path, tmp_path: Path):
    """The server is stopped, so that a request is certainly sent and not answered when the process dies.

    The server may then take it or leave it: who asked is gone.
    """
    with Server(tmp_path / "server") as server:
        for trial in range(scaled(1, 20)):
            project = f"under-way-{trial}"
            with Child(BEGIN + ONE, project, server.url) as child:
                child.expect("ack", 20)
                server.freeze()
                child.expect("ack", len(acknowledged(child.lines)) + 500)
                eventually(lambda: has_unread_request(server.port))
                child.kill_all()
                lines = child.lines
            server.thaw()
            bring_the_rest(data_dir, server.url, trial)
            with server.caught_up() as query:
                assert_every_call_is_there_once(query, project, lines)


def has_unread_request(port: int) -> bool:
    """Whether records have been sent to the server that it has not read yet: more than the question of one who listens."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if (int(local.partition(":")[2], 16), state) == (port, ESTABLISHED) and int(queues.partition(":")[2], 16) > QUESTION_BYTES:
            return True
    return False
