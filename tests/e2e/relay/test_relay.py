"""A relay in a training process: what it says it has sent is what the server has, soon, at little cost, and only its own."""

import json
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasuki.journal import JournalFolder
from tasuki.records import START, Heartbeat, Item, ReplyStatus, encode, encode_frame, pack_item
from tasuki.relay import AckLog, HttpTransport, acks_path
from tests.support.acknowledged_calls import PROJECT, acknowledged
from tests.support.processes import Child, eventually
from tests.support.remote_server import CountingProxy, Server, all_there, differences, free_port, records_at, records_in, sync_all
from tests.support.shell import tasuki
from tests.support.training_processes import AS_TOLD, ended, logged


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that leave it alive."""
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """One for this test alone."""
    with Server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of the training processes."""
    return tmp_path / "data"


# -- {sent, pending}


def all_acknowledged(server: Server, folder: Path) -> bool:
    """Whether the sender has heard that all of its folder's records are there: what is there may not have been heard of yet."""
    acks = AckLog(acks_path(folder, server.url)).by_writer
    journals = list(JournalFolder(folder / "journal", folder / "journal").journals())
    return bool(journals) and all(j.header.writer in acks and acks[j.header.writer].position.offset == j.size for j in journals)


def report(child: Child) -> dict[str, int]:
    """What `finish()` has returned."""
    (said,) = json.loads(child.expect("finished "))
    return dict(said)


def test_when_all_is_fine_everything_is_sent_and_nothing_pending(server: Server, folder: Path):
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 500)
        lines = ended(child, 500)
    assert report(child) == {"sent": 1002, "pending": 0}
    assert records_at(server, folder) == records_in(folder) == 1002
    all_there(server, acknowledged(lines))


def test_when_the_server_dies_in_the_middle_sent_is_what_it_has_and_pending_the_rest(mortal: Server, folder: Path):
    with Child(AS_TOLD, mortal.url, "main", folder) as child:
        logged(child, 50)
        eventually(lambda: records_at(mortal, folder) == 51)
        logged(child, 1)
        eventually(lambda: all_acknowledged(mortal, folder))
        mortal.kill()
        lines = ended(child, 30)
    assert report(child) == {"sent": 52, "pending": 31}
    assert records_in(folder) == 83
    mortal.start()
    assert records_at(mortal, folder) == 52
    with Child(AS_TOLD, mortal.url, "later", folder) as later:
        lines += ended(later)
    assert report(later) == {"sent": 33, "pending": 0}
    all_there(mortal, acknowledged(lines))


def test_what_the_server_has_though_its_answer_was_lost_counts_as_sent_once_that_is_known(server: Server, folder: Path):
    with CountingProxy(server.port) as proxy, Child(AS_TOLD, proxy.url, "main", folder) as child:
        logged(child, 1)
        eventually(lambda: records_at(server, folder) == 2)
        proxy.loses_answers = True
        logged(child, 100)
        eventually(lambda: records_at(server, folder) > 2)
        proxy.loses_answers = False
        logged(child, 10)
        ended(child)
    assert report(child) == {"sent": 113, "pending": 0}
    assert records_at(server, folder) == 113


def test_what_the_server_refuses_stays_pending(mortal: Server, folder: Path):
    """A stranger's stream has the same writer's id there."""
    mortal.kill()
    with Child(AS_TOLD, mortal.url, "main", folder) as child:
        logged(child, 20)
        child.signal(signal.SIGSTOP)
        mortal.start()
        (journal,) = JournalFolder(folder / "journal").journals()
        data = pack_item(encode_frame(encode(Heartbeat(time=1))))
        item = Item(project="other", run="r", writer=journal.header.writer, offset=0, crc=0, data=data)
        with closing(HttpTransport(mortal.url)) as transport:
            (reply,) = transport.replicate([item]).items
        assert reply.status == ReplyStatus.STORED
        child.signal(signal.SIGCONT)
        ended(child)
    assert report(child) == {"sent": 0, "pending": 22}
    refused = tasuki(folder, "sync", "--to", mortal.url, "--json")
    assert refused.returncode == 5
    assert "other" in refused.stderr
    assert json.loads(refused.stdout)["pending"] == 22


# -- what it costs


IMPORTS = """
import json, sys, threading
class Watch:
    found = []
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name == "tasuki-relay":
            self.found.append(name)
sys.meta_path.insert(0, Watch())
import tasuki
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
for n in range(1000):
    run.log({"loss": n / 7})
print("finished", json.dumps([run.finish()]))
print("modules", *{name.partition(".")[0] for name in sys.modules})
print("imported by the relay:", *Watch.found)
"""


def test_a_training_process_with_a_remote_imports_nothing_heavy_and_its_relay_nothing_at_all(server: Server, folder: Path):
    """A fork in the middle of another thread's import would hang the child."""
    with Child(IMPORTS, server.url, folder) as child:
        child.done()
        modules = set(child.expect("modules ").split())
        imported = child.expect("imported by the relay:").split()
    assert report(child) == {"sent": 1002, "pending": 0}
    assert {"tasuki", "zstandard", "msgspec"} <= modules
    assert not {"numpy", "apsw", "httpx", "litestar", "uvicorn", "rich", "typer"} & modules
    assert imported == []


def position_at(transport: HttpTransport, writer: str, run: str) -> int:
    """How many bytes of a stream the server has."""
    (reply,) = transport.replicate([Item(project=PROJECT, run=run, writer=writer, offset=START.offset, crc=START.crc)]).items
    return reply.offset


def test_the_first_record_after_a_quiet_second_is_on_the_server_within_half_a_second(server: Server, folder: Path):
    delays = []
    with closing(HttpTransport(server.url)) as transport, Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 1)
        (journal,) = JournalFolder(folder / "journal").journals()
        writer, run = journal.header.writer, journal.header.run
        eventually(lambda: position_at(transport, writer, run) == size(folder))
        for _ in range(5):
            time.sleep(1.1)
            before = position_at(transport, writer, run)
            began = time.monotonic()
            child.tell("1")
            eventually(lambda before=before: position_at(transport, writer, run) > before)
            delays.append(time.monotonic() - began)
    assert statistics.median(delays) < 0.5, delays


def size(folder: Path) -> int:
    """How many bytes of frames the one journal holds."""
    (journal,) = JournalFolder(folder / "journal").journals()
    return journal.size


BEGINS = """
import json, sys, time, tasuki
for n in range(4):
    began = time.monotonic()
    tasuki.init("p", remote=sys.argv[1], dir=f"{sys.argv[2]}-{n}")
    print("began", began, flush=True)
    sys.stdin.readline()
"""


def test_a_run_is_on_the_server_within_half_a_second_of_its_beginning(server: Server, folder: Path):
    delays = []
    with Child(BEGINS, server.url, folder) as child:
        for n in range(4):
            began = float(child.expect("began ", n + 1))
            eventually(lambda n=n: records_at(server, Path(f"{folder}-{n}")) > 0)
            delays.append(time.monotonic() - began)
            child.tell("next")
    assert statistics.median(delays) < 0.5, delays


ONE_SECOND = """
import sys, time, tasuki
from tests.support.acknowledged_calls import say
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
sys.stdin.readline()
end = time.monotonic() + 1
for n in range(100):
    run.log({"loss": n / 7})
    time.sleep(max(0, end - time.monotonic() - (99 - n) / 100))
say("logged")
sys.stdin.readline()
"""


def test_100_calls_in_one_second_are_3_requests_at_the_most(server: Server, folder: Path):
    with CountingProxy(server.port) as proxy, Child(ONE_SECOND, proxy.url, folder) as child:
        eventually(lambda: records_at(server, folder) == 1)
        time.sleep(1.1)
        before = proxy.posts
        child.tell("log")
        child.expect("logged")
        assert 1 <= proxy.posts - before <= 3
        eventually(lambda: records_at(server, folder) == 101)
        assert proxy.posts - before <= 4


LARGE = """
import secrets, sys, tasuki
from tests.support.acknowledged_calls import say
run = tasuki.init("large", remote=sys.argv[1], dir=sys.argv[2])
run.log({"loss": 1.0})
run.alert("large", text=secrets.token_hex(3_000_000))
run.log({"loss": 0.5})
say("finished", run.finish())
"""


def test_a_record_larger_than_a_request_usually_is_arrives(server: Server, folder: Path):
    with Child(LARGE, server.url, folder) as child:
        child.done()
    assert report(child) == {"sent": 5, "pending": 0}
    with server.caught_up() as query:
        (alert,) = query.alerts("large")
        assert len(alert.text or "") == 6_000_000
        assert len(query.history("large", alert.run)) == 2


# -- who sends what


FORKS = """
import os, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many, say
run = tasuki.init(PROJECT, remote=sys.argv[1], dir=sys.argv[2])
log_many(run, "before", 20)
if os.fork() == 0:
    log_many(run, "child", 100)
    say("child", run.finish())
    os._exit(0)
log_many(run, "parent", 100)
assert os.wait()[1] == 0
say("finished", run.finish())
"""
LEAVES = """
import os, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many, say
run = tasuki.init(PROJECT, remote=sys.argv[1], dir=sys.argv[2])
if os.fork() == 0:
    log_many(run, "child", 100)
    os._exit(0)
assert os.wait()[1] == 0
say("finished", run.finish())
"""
SPAWNED = """
import multiprocessing, os, sys, tasuki
from tests.support.acknowledged_calls import PROJECT, log_many, say

def work(run):
    log_many(run, "spawned", 50)
    if os.fork() == 0:
        log_many(run, "forked", 50)
        say("forked", run.finish())
        os._exit(0)
    assert os.wait()[1] == 0
    log_many(run, "spawned again", 50)
    say("spawned", run.finish())

if __name__ == "__main__":
    run = tasuki.init(PROJECT, remote=sys.argv[1], dir=sys.argv[2])
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(run,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    say("finished", run.finish())
"""
RUN_FILE = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"


def test_what_is_logged_on_both_sides_of_a_fork_arrives(server: Server, folder: Path):
    with Child(FORKS, server.url, folder) as child:
        lines = child.done()
    assert report(child)["pending"] == 0
    assert records_at(server, folder) == records_in(folder) == 222
    assert json.loads(child.expect("child "))[0] == {"sent": 100, "pending": 0}
    assert report(child)["sent"] >= 122
    all_there(server, acknowledged(lines))


def test_what_forked_workers_left_is_sent_when_their_parent_finishes(server: Server, folder: Path, tmp_path: Path):
    with Child(LEAVES, server.url, folder) as child:
        lines = child.done()
    assert report(child) == {"sent": 102, "pending": 0}
    all_there(server, acknowledged(lines))
    nowhere = f"http://127.0.0.1:{free_port()}"
    with Child(LEAVES, nowhere, tmp_path / "other") as child:
        child.done()
    assert report(child) == {"sent": 0, "pending": 102}


def test_a_worker_that_was_spawned_may_fork(server: Server, folder: Path, tmp_path: Path):
    (tmp_path / "spawning.py").write_text(SPAWNED)
    with Child(RUN_FILE, tmp_path / "spawning.py", server.url, folder) as child:
        lines = child.done()
    assert report(child)["pending"] == 0
    assert len(acknowledged(lines)) == 150
    assert records_at(server, folder) == records_in(folder) == 152
    assert differences(folder, server.url) == []
    all_there(server, acknowledged(lines))


INIT = """
import sys, tasuki
from tests.support.acknowledged_calls import say
run = tasuki.init("next", remote=sys.argv[1], dir=sys.argv[2])
say("began")
sys.stdin.readline()
"""


def test_a_later_process_sends_what_killed_ones_left_for_its_remote_and_nothing_else(mortal: Server, folder: Path):
    mortal.kill()
    lines: dict[str, list[str]] = {}
    for who, remote in {"killed": mortal.url, "local": "", "elsewhere": f"http://127.0.0.1:{free_port()}"}.items():
        with Child(AS_TOLD, remote, who, folder) as child:
            logged(child, 50)
            child.kill()
            lines[who] = child.lines
    mortal.start()
    began = time.monotonic()
    with Child(INIT, mortal.url, folder) as later:
        eventually(lambda: records_at(mortal, folder) == 52)
        assert time.monotonic() - began < 10
        later.tell("end")
        later.end()
    assert records_at(mortal, folder) == 53
    all_there(mortal, acknowledged(lines["killed"]))
    done = tasuki(folder, "sync", "--to", mortal.url)
    assert done.returncode == 0, done.stderr
    assert records_at(mortal, folder) == records_in(folder) == 155
    all_there(mortal, acknowledged([line for of_one in lines.values() for line in of_one]))


def test_the_kill_switch_stops_what_is_automatic_and_sync_still_sends(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TASUKI_DISABLE_WRITE_THROUGH", "1")
    with CountingProxy(server.port) as proxy:
        with Child(AS_TOLD, proxy.url, "main", folder) as child:
            logged(child, 10)
            ended(child)
        assert report(child) == {"sent": 0, "pending": 0}
        assert proxy.connections == []
        assert sync_all(folder, proxy.url).sent == 12
    assert records_at(server, folder) == 12
