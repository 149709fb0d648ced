"""A server, its projector, commands and runs, all on one folder at once."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import apsw
import pytest

from tasuki.client.http_query import HttpQuery
from tasuki.settings import load
from tasuki.store import open_folder_store
from tasuki.store.generations import Generations
from tests.support.acknowledged_calls import PROJECT, acknowledged, check
from tests.support.journals import metrics, write_journal
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, all_there
from tests.support.shell import at_once, python, tasuki
from tests.support.soak import scaled
from tests.support.training_processes import AS_TOLD, UNTIL_TOLD, logged

SHORT_RUNS = """
import select, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many, say
remote, who, folder = sys.argv[1:]
while not select.select([sys.stdin], [], [], 0.02)[0]:
    with tasuki.init(PROJECT, who, remote=remote or None, dir=folder) as run:
        log_many(run, who, 20)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        yield server


# -- all at once


COMMANDS = {
    "list": ["run", "list", "--project", PROJECT],
    "verify": ["verify"],
    "rebuild": ["rebuild"],
    "doctor": ["doctor", "--json"],
}


def again_and_again(folder: Path, name: str) -> None:
    """One command, one time after the other."""
    for _ in range(scaled(3, 60)):
        done = tasuki(folder, *COMMANDS[name])
        said = done.stdout + done.stderr
        assert "locked" not in said
        assert "Traceback" not in said
        if name == "doctor" and done.returncode == 1:
            degraded = [check for check in json.loads(done.stdout)["checks"] if check["state"] != "ok"]
            assert [check["name"] for check in degraded] == ["store"], "it may be behind for a moment, and nothing else"
        else:
            assert done.returncode == 0, said


def test_a_server_and_commands_on_a_folder_in_which_runs_log_see_everything_once(server: Server, folder: Path, tmp_path: Path):
    """Of the runs, some are recorded there, some are sent to the server, and one is both."""
    with ExitStack() as stack:
        children = [
            stack.enter_context(Child(script, remote, who, where))
            for script, remote, who, where in (
                (UNTIL_TOLD, "", "here", folder),
                (UNTIL_TOLD, server.url, "sent", tmp_path / "other"),
                (UNTIL_TOLD, server.url, "both", folder),
                (SHORT_RUNS, "", "short", folder),
            )
        ]
        for child in children:
            child.expect("ack")
        at_once({name: lambda name=name: again_and_again(folder, name) for name in COMMANDS})  # type: ignore[misc]
        for child in children:
            child.tell("enough")
        lines = [line for child in children for line in child.done()]
    calls = acknowledged(lines)
    with server.caught_up() as query:
        assert check(query, calls) == {}  # type: ignore[arg-type] # it asks what any `Query` answers
        there = {(run.id, run.points, run.status) for run in query.runs(PROJECT)}
    with open_folder_store(load(dir=str(folder)), wait_seconds=None) as store:
        assert check(store, calls) == {}
        assert {(run.id, run.points, run.status) for run in store.runs(PROJECT)} == there
    verified = tasuki(folder, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert tasuki(folder, "doctor").returncode == 0
    assert "locked" not in server.complaints()


# -- a projector that stands still


def test_while_the_projector_stands_still_the_server_answers_and_says_how_much_is_missing(
    server: Server, folder: Path, tmp_path: Path
):
    with Child(AS_TOLD, "", "here", folder) as here, Child(AS_TOLD, server.url, "sent", tmp_path / "other") as sent:
        for child in (here, sent):
            logged(child, 10)
        with server.caught_up() as query:
            eventually(lambda: len(query.runs(PROJECT)) == 2 and {run.points for run in query.runs(PROJECT)} == {20})
            os.kill(server.projector, signal.SIGSTOP)
            logged(here, 50)
            seconds, points = timed_points(query)
            assert seconds < 2
            assert (points, query.missing) == (40, 50)
            logged(sent, 30)
            eventually(lambda: timed_points(query)[0] < 2 and query.missing == 80)
            os.kill(server.projector, signal.SIGCONT)
            eventually(lambda: timed_points(query)[1] == 200 and query.missing == 0)
        all_there(server, acknowledged([*here.lines, *sent.lines]))


def timed_points(query: HttpQuery) -> tuple[float, int]:
    """How long the server takes to list the runs, and how many points they have."""
    began = time.monotonic()
    runs = query.runs(PROJECT)
    return time.monotonic() - began, sum(run.points for run in runs)


LOCAL_READER = """
import json, time
from tasuki.settings import load
from tasuki.store import open_folder_store
began = time.monotonic()
with open_folder_store(load()) as store:
    (project,) = store.projects()
    runs = store.runs(project.name)
    store.summaries(project.name)
    print(json.dumps([time.monotonic() - began, sum(run.points for run in runs), store.missing]))
"""
"""What `tasuki run list` asks, without the start of a process."""


def test_while_the_projector_stands_still_in_a_transaction_readers_answer_and_say_how_much_is_missing(server: Server, folder: Path):
    """It holds the store's lock then: nobody else can project."""
    total, rounds = backlog(folder, writers=1, records=10, number=0), 0
    with server.caught_up() as query:
        assert timed_points(query)[1] == total
    while not stands_still_in_a_transaction(server, folder):
        rounds += 1
        assert rounds < 50
        total += backlog(folder, writers=4, records=scaled(15_000, 60_000), number=rounds)
    with HttpQuery(server.url) as query:
        seconds, points = timed_points(query)
        assert seconds < 2
        assert 0 < query.missing == total - points
    seconds, points, missing = json.loads(python(folder, LOCAL_READER))
    assert seconds < 2
    assert 0 < missing == total - points
    for project, code in ((PROJECT, 0), ("nope", 3)):
        listed = tasuki(folder, "run", "list", "--project", project)
        assert listed.returncode == code
        assert f"{missing:,} records are not in this answer yet" in listed.stderr
    os.kill(server.projector, signal.SIGCONT)
    with server.caught_up() as query:
        assert timed_points(query)[1] == total
    assert tasuki(folder, "verify").returncode == 0


def backlog(folder: Path, *, writers: int, records: int, number: int) -> int:
    """Journals that dead processes left, of one point per record; returns how many."""
    for writer in range(writers):
        calls = [metrics(n) for n in range(records)]
        write_journal(folder / "journal", calls, project=PROJECT, run=f"run-{number}-{writer}")
    return writers * records


def stands_still_in_a_transaction(server: Server, folder: Path) -> bool:
    """Stop the projector; whether nobody can write to the store then. It goes on if somebody could."""
    time.sleep(0.05)
    os.kill(server.projector, signal.SIGSTOP)
    path = Generations(folder).current()
    if path is not None:
        with closing(apsw.Connection(str(path))) as db:
            try:
                db.execute("BEGIN IMMEDIATE; ROLLBACK")
            except apsw.BusyError:
                return True
    os.kill(server.projector, signal.SIGCONT)
    return False
