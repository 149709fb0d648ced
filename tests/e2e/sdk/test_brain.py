"""A brain in a process of its own, and a real server: what is noted is there soon, or as soon as the server is."""

import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasuki.client.http_query import HttpQuery
from tests.support.processes import Child, eventually
from tests.support.remote_server import CountingProxy, Hung, Server
from tests.support.shell import tasuki

NOTING = """
import json, sys
from tasuki import Brain

brain = Brain(sys.argv[1], remote=sys.argv[2], session=12)
print("brain", brain.id, flush=True)
noted = 0
for line in sys.stdin:
    what, _, much = line.strip().partition(" ")
    for _ in range(int(much or 1)):
        if what == "correct":
            noted += 1
            brain.correct(f"draft {noted} of {sys.argv[3]}", "final", category="TONE")
    if what in ("end_session", "close"):
        print(what, json.dumps(getattr(brain, what)()), flush=True)
    else:
        print("done", flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The brain's folder."""
    return tmp_path / "reviewer"


def noting(folder: Path, remote: str, who: str = "one") -> Child:
    return Child(NOTING, folder, remote, who)


def do(child: Child, what: str, beginning: str = "done") -> str:
    """Let it do something, and wait until it has; what it says of it."""
    before = sum(line.startswith(beginning) for line in child.lines)
    child.tell(what)
    return child.expect(beginning, before + 1).strip()


def brain_in(folder: Path) -> str:
    return str(json.loads((folder / "brain.json").read_text())["brain_id"])


def drafts_at(server: Server, folder: Path) -> list[str]:
    """The drafts of a brain that the server has; none before it knows the brain."""
    with HttpQuery(server.url) as query:
        brain = brain_in(folder)
        known = brain in {row.name for row in query.projects()}
        return [note.content["draft"] for note in query.notes(brain)] if known else []


def test_what_is_noted_at_any_moment_by_any_client_is_on_the_server_within_five_seconds(server, folder):
    names = "one", "two", "three"
    clients = [noting(folder, server.url, name) for name in names]
    for client in clients:
        client.expect("brain ")
    called: dict[str, float] = {}
    seen: dict[str, float] = {}
    counts = dict.fromkeys(names, 0)
    while len(called) < 60:
        who = random.choice(names)
        counts[who] += 1
        do(clients[names.index(who)], "correct")
        called[f"draft {counts[who]} of {who}"] = time.monotonic()
        time.sleep(random.expovariate(30))
        seen = {draft: seen.get(draft, time.monotonic()) for draft in drafts_at(server, folder)}
    while len(seen) < 60:
        seen = {draft: seen.get(draft, time.monotonic()) for draft in drafts_at(server, folder)}
        assert time.monotonic() < max(called.values()) + 5, f"{len(called) - len(seen)} are not there"
    assert {draft for draft, at in seen.items() if at - called[draft] > 5} == set()
    for client in clients:
        client.__exit__()


def test_a_process_that_only_opens_the_folder_brings_all_that_a_dead_one_could_not_send(server, folder):
    server.kill()
    with noting(folder, server.url) as child:
        do(child, "correct 500")
        assert json.loads(do(child, "end_session", "end_session ")) == {"sent": 0, "pending": 500}
        child.kill()
    server.start()
    with noting(folder, server.url) as child:
        child.expect("brain ")
        deadline = time.monotonic() + 10
        while len(drafts_at(server, folder)) < 500:
            assert time.monotonic() < deadline
        assert json.loads(do(child, "close", "close "))["pending"] == 0
    assert len(set(drafts_at(server, folder))) == 500


def test_a_hundred_notes_in_a_second_are_three_requests_at_most(server, folder):
    with CountingProxy(server.port) as proxy, noting(folder, proxy.url) as child:
        child.expect("brain ")
        do(child, "correct")
        eventually(lambda: len(drafts_at(server, folder)) == 1)
        before = proxy.posts
        for _ in range(10):
            do(child, "correct 10")
            time.sleep(0.05)
        eventually(lambda: len(drafts_at(server, folder)) == 101)
        assert proxy.posts - before <= 3


def test_a_session_that_ends_says_what_was_sent_and_goes_on(server, folder):
    with noting(folder, server.url) as child:
        for many in (2, 3):
            do(child, f"correct {many}")
            assert json.loads(do(child, "end_session", "end_session ")) == {"sent": many, "pending": 0}
        assert json.loads(do(child, "close", "close ")) == {"sent": 0, "pending": 0}


@pytest.mark.parametrize("ending", ["exit", "sigterm"])
def test_what_is_pending_goes_out_when_the_process_ends(server, folder, ending):
    with noting(folder, server.url) as child:
        do(child, "correct 20")
        if ending == "exit":
            assert child.process.stdin is not None
            child.process.stdin.close()
            assert child.end() == 0
        else:
            child.signal(signal.SIGTERM)
            assert child.end() == -signal.SIGTERM
        assert len(drafts_at(server, folder)) == 20


def test_a_brain_that_sends_nothing_by_itself_sends_when_its_session_ends(server, folder, monkeypatch):
    monkeypatch.setenv("GRADATA_DISABLE_WRITE_THROUGH", "1")
    with CountingProxy(server.port) as proxy, noting(folder, proxy.url) as child:
        do(child, "correct 5")
        time.sleep(0.5)
        assert proxy.connections == []
        assert json.loads(do(child, "end_session", "end_session ")) == {"sent": 5, "pending": 0}
        assert len(drafts_at(server, folder)) == 5


def test_four_processes_on_one_folder_and_a_kill_lose_nothing_and_double_nothing(server, folder):
    names = "one", "two", "three", "four"
    clients = [noting(folder, server.url, name) for name in names]
    for client in clients:
        do(client, "correct 100")
    clients[0].kill()
    for client in clients[1:]:
        do(client, "close", "close ")
    with noting(folder, server.url, "five") as last:
        last.expect("brain ")
        eventually(lambda: len(drafts_at(server, folder)) == 400)
    assert len(set(drafts_at(server, folder))) == 400
    for client in clients:
        client.__exit__()


def test_commands_list_and_search_notes_of_a_folder_and_of_a_server_alike(server, folder):
    with noting(folder, server.url) as child:
        do(child, "correct 3")
        do(child, "close", "close ")
    for ways in (("--dir", str(folder)), ("--remote", server.url)):
        listed = tasuki(folder, "note", "list", *ways)
        assert [line.split("\t")[5] for line in listed.stdout.splitlines()] == [
            "note", *(f"draft {n} of one → final" for n in (1, 2, 3)),
        ]  # fmt: skip
        found = json.loads(tasuki(folder, "note", "search", "DRAFT 2", "--kind", "correction", "--json", *ways).stdout)
        assert (found["schema"], [note["content"]["draft"] for note in found["notes"]]) == (
            "tasuki/note-list/1",
            ["draft 2 of one"],
        )
    assert tasuki(folder, "note", "list", "--dir", str(folder), "--kind", "wish").returncode == 2


FORKING = """
import os, sys
from tasuki import Brain

brain = Brain(sys.argv[1], remote=sys.argv[2])
brain.correct("before", "the fork")
for child in range(3):
    if not os.fork():
        for n in range(10):
            brain.correct(f"{n} of child {child}", "final")
        os._exit(brain.end_session()["pending"])
assert [os.waitpid(-1, 0)[1] for _ in range(3)] == [0, 0, 0]
brain.correct("after", "the fork")
print("closed", brain.close()["pending"], flush=True)
"""


def test_forked_workers_note_in_streams_of_their_own(server, folder):
    with Child(FORKING, folder, server.url) as child:
        assert child.expect("closed ") == "0"
        drafts = drafts_at(server, folder)
    assert len(drafts) == len(set(drafts)) == 32


TRACED = """
import sys, threading
from tasuki import Brain

brain = Brain(sys.argv[1], remote=sys.argv[2])
for number in range(1000):
    brain.correct(f"draft {number}", "final")
print("thread", threading.get_native_id(), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("backlog", [0, 10_000])
def test_the_calling_thread_opens_no_socket_and_asks_for_no_name(folder, tmp_path, backlog):
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
    if shutil.which("strace") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("strace is not there, or not permitted")
    with Hung() as hung:
        remote = hung.url.replace("127.0.0.1", "localhost")
        if backlog:
            with noting(folder, remote) as child:
                do(child, f"correct {backlog}")
                child.kill()
        read_before = hung.read_bytes
        with Child(TRACED, folder, remote, prefix=prefix) as child:
            thread = child.expect("thread ").strip()
            eventually(lambda: hung.read_bytes > read_before)
            child.kill()
    by_thread = [re.match(r"(\d+) +(\w+)\(", line) for line in trace.read_text().splitlines()]
    calls = [(found[1], found[2]) for found in by_thread if found]
    assert [call for who, call in calls if who == thread] == []
    assert "connect" in {call for _, call in calls}
