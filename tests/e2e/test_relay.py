"""A relay in a training process: what it keeps to whatever its remote is, and what it says of that."""

import json
import signal
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tasuki.journal import Folder
from tasuki.records import START, Heartbeat, Item, ReplyStatus, RunStatus, Status, encode, frame, pack_item
from tasuki.relay import HttpTransport
from tests.acknowledged import PROJECT, acknowledged
from tests.e2e.shell import tasuki
from tests.journals import journals, records_of
from tests.processes import Child, eventually
from tests.remotes import (
    CountingProxy,
    Hung,
    Server,
    Website,
    all_there,
    differences,
    free_port,
    records_at,
    records_in,
    sync_all,
)
from tests.trainings import AS_TOLD, ended, logged

FINISHES = """
import sys, time, tasuki
from tests.acknowledged import say
remote, folder, count = sys.argv[1:]
run = tasuki.init("p", remote=remote, dir=folder)
for n in range(int(count)):
    run.log({"loss": n / 7})
began = time.monotonic()
sent = run.finish()
say("finished", time.monotonic() - began, sent)
"""
EXITS = """
import sys, time, tasuki
from tests.acknowledged import say
remote, folder = sys.argv[1:]
run = tasuki.init("p", remote=remote, dir=folder)
run.log({"loss": 1.0})
say("logged")
"""


class Ended(NamedTuple):
    """How a process that finished its run went on: how long that took, what it was told, and what was written to stderr."""

    folder: Path
    seconds: float
    sent: int
    pending: int
    errors: str


def finished(child: Child, folder: Path) -> Ended:
    """Wait until it has."""
    child.done()
    seconds, sent = json.loads(child.expect("finished "))
    return Ended(folder, seconds, sent["sent"], sent["pending"], child.complaints())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as server:
        yield server


# -- remotes that are none


class Remotes(NamedTuple):
    """Addresses where there is no server of ours, by what is wrong with them; and how many requests came to the web pages."""

    urls: dict[str, str]
    sites: dict[str, Website]


@pytest.fixture(scope="module")
def wrong() -> Iterator[Remotes]:
    with ExitStack() as stack:
        sites = {
            "a web page": Website(200),
            "not found": Website(404, b"<h1>Not Found</h1>"),
            "in trouble": Website(502, b"<h1>Bad Gateway</h1>"),
        }
        urls = {name: stack.enter_context(site).url for name, site in sites.items()}
        urls["hung"] = stack.enter_context(Hung()).url
        urls["refused"] = f"http://127.0.0.1:{free_port()}"
        yield Remotes(urls, sites)


WRONG = ["a web page", "not found", "in trouble", "hung", "refused"]


@pytest.fixture(scope="module")
def endings(wrong: Remotes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """A run with each of them as its remote, all at once: each waits five seconds at its end."""
    with ExitStack() as stack:
        folders = {name: tmp_path_factory.mktemp("data") for name in wrong.urls}
        children = {name: stack.enter_context(Child(FINISHES, url, folders[name], 100)) for name, url in wrong.urls.items()}
        return {name: finished(child, folders[name]) for name, child in children.items()}


@pytest.mark.parametrize("remote", WRONG)
def test_finish_returns_within_5_and_a_half_seconds_and_says_that_nothing_was_sent(remote: str, endings: dict[str, Ended]):
    ended = endings[remote]
    assert ended.seconds < 5.5
    assert (ended.sent, ended.pending) == (0, 102)
    assert records_in(ended.folder) == 102


@pytest.mark.parametrize("remote", WRONG)
def test_a_remote_that_is_none_is_warned_of_once(remote: str, endings: dict[str, Ended], wrong: Remotes):
    errors = endings[remote].errors
    if remote in wrong.sites:
        assert wrong.sites[remote].requests > 2, "it was tried again"
    assert errors.count("stay here for now") == (remote != "hung"), errors
    assert "Traceback" not in errors


def test_finish_with_a_hung_server_counts_a_long_backlog_in_time(wrong: Remotes, tmp_path: Path):
    with Child(FINISHES, wrong.urls["hung"], tmp_path, 300_000) as child:
        ended = finished(child, tmp_path)
    assert ended.seconds < 5.5
    assert (ended.sent, ended.pending) == (0, 300_002)


SAYS = {
    "a web page": "not a tasuki server",
    "not found": "not a tasuki server",
    "in trouble": "502",
    "hung": "did not answer",
    "refused": "nothing listens",
}


def test_remote_test_says_what_is_wrong_and_exits_with_5(wrong: Remotes, tmp_path: Path):
    with ThreadPoolExecutor() as pool:
        tests = {name: pool.submit(tasuki, tmp_path, "remote", "test", url) for name, url in wrong.urls.items()}
    for name, test in tests.items():
        done = test.result()
        assert done.returncode == 5, name
        assert SAYS[name] in done.stderr
        assert wrong.urls[name] in done.stdout
        assert "Traceback" not in done.stderr


def test_remote_test_of_a_server_is_fine(server: Server, tmp_path: Path):
    done = tasuki(tmp_path, "remote", "test", server.url)
    assert (done.returncode, done.stderr) == (0, "")


# -- ends without finish()


def status_of(folder: Path) -> RunStatus:
    """The status in the one journal there is."""
    (journal,) = journals(folder)
    (status,) = (record for record in records_of(journal) if isinstance(record, RunStatus))
    return status


@pytest.mark.parametrize("remote", ["hung", "refused"])
def test_an_interpreter_that_ends_without_finish_is_gone_within_2_seconds_and_the_run_has_failed(
    remote: str, wrong: Remotes, tmp_path: Path
):
    with Child(EXITS + 'say("end", time.monotonic())', wrong.urls[remote], tmp_path) as child:
        code = child.end()
        gone = time.monotonic()
        (began,) = json.loads(child.expect("end "))
    assert code == 0
    assert gone - began < 2
    assert (status_of(tmp_path).status, status_of(tmp_path).reason) == (Status.FAILED, "the interpreter ended without finish()")


def test_an_exception_that_ends_the_interpreter_is_on_record_though_the_server_hangs(wrong: Remotes, tmp_path: Path):
    with Child(EXITS + 'say("end", time.monotonic()); raise ValueError("boom")', wrong.urls["hung"], tmp_path) as child:
        code = child.end()
        gone = time.monotonic()
        (began,) = json.loads(child.expect("end "))
    assert code == 1
    assert gone - began < 2
    assert (status_of(tmp_path).status, status_of(tmp_path).reason) == (Status.FAILED, "ValueError: boom")


DOES = {
    "sleeps": "time.sleep(60)",
    "logs": "while True: run.log({'loss': 1.0}); time.sleep(0.001)",
    "finishes": "run.finish()",
}


@pytest.mark.parametrize("does", DOES)
def test_sigterm_ends_a_process_within_2_seconds_though_the_server_hangs(does: str, wrong: Remotes, tmp_path: Path):
    with Child(EXITS + DOES[does], wrong.urls["hung"], tmp_path) as child:
        child.expect("logged")
        if does == "finishes":
            eventually(lambda: bool([record for record in records_of(journals(tmp_path)[0]) if isinstance(record, RunStatus)]))
        began = time.monotonic()
        child.signal(signal.SIGTERM)
        code = child.end()
        gone = time.monotonic()
    assert code == -signal.SIGTERM
    assert gone - began < 2
    if does == "finishes":
        assert status_of(tmp_path).status == Status.FINISHED, "the first end stands"
    else:
        assert (status_of(tmp_path).status, status_of(tmp_path).reason) == (Status.FAILED, "SIGTERM")


def test_what_an_ending_without_finish_says_is_on_the_server(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    with Child(EXITS, server.url, folder) as child:
        child.done()
    assert records_at(server) == records_in(folder) == 3
    with server.caught_up() as query:
        assert [run.status for run in query.runs("p")] == [Status.FAILED]


# -- {sent, pending}


def report(child: Child) -> dict[str, int]:
    """What `finish()` has returned."""
    (said,) = json.loads(child.expect("finished "))
    return dict(said)


def test_when_all_is_fine_everything_is_sent_and_nothing_pending(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 500)
        lines = ended(child, 500)
    assert report(child) == {"sent": 1002, "pending": 0}
    assert records_at(server) == records_in(folder) == 1002
    all_there(server, acknowledged(lines))


def test_when_the_server_dies_in_the_middle_sent_is_what_it_has_and_pending_the_rest(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 50)
        eventually(lambda: records_at(server) == 51)
        logged(child, 1)
        eventually(lambda: records_at(server) == 52)
        server.kill()
        lines = ended(child, 30)
    assert report(child) == {"sent": 52, "pending": 31}
    assert records_in(folder) == 83
    server.start()
    assert records_at(server) == 52
    with Child(AS_TOLD, server.url, "later", folder) as later:
        lines += ended(later)
    assert report(later) == {"sent": 33, "pending": 0}
    all_there(server, acknowledged(lines))


def test_what_the_server_has_though_its_answer_was_lost_counts_as_sent_once_that_is_known(server: Server, tmp_path: Path):
    with CountingProxy(server.port) as proxy, Child(AS_TOLD, proxy.url, "main", tmp_path / "data") as child:
        logged(child, 1)
        eventually(lambda: records_at(server) == 2)
        proxy.loses_answers = True
        logged(child, 100)
        eventually(lambda: records_at(server) == 102)
        logged(child, 10)
        proxy.loses_answers = False
        ended(child)
    assert report(child) == {"sent": 113, "pending": 0}
    assert records_at(server) == 113


def test_what_the_server_refuses_stays_pending(server: Server, tmp_path: Path):
    """A stranger's stream has the same writer's id there."""
    folder = tmp_path / "data"
    server.kill()
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 20)
        child.signal(signal.SIGSTOP)
        server.start()
        (journal,) = Folder(folder / "journal").journals()
        data = pack_item(frame(encode(Heartbeat(time=1))))
        item = Item(project="other", run="r", writer=journal.header.writer, offset=0, crc=0, data=data)
        (reply,) = HttpTransport(server.url).replicate([item]).items
        assert reply.status == ReplyStatus.STORED
        child.signal(signal.SIGCONT)
        ended(child)
    assert report(child) == {"sent": 0, "pending": 22}
    refused = tasuki(folder, "sync", "--to", server.url, "--json")
    assert refused.returncode == 5
    assert "other" in refused.stderr
    assert json.loads(refused.stdout)["pending"] == 22


# -- what it costs


IMPORTS = """
import sys, threading
class Watch:
    found = []
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name == "tasuki-relay":
            self.found.append(name)
sys.meta_path.insert(0, Watch())
import tasuki
from tests.acknowledged import say
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
for n in range(1000):
    run.log({"loss": n / 7})
say("finished", run.finish())
say("modules", sorted({name.partition(".")[0] for name in sys.modules}))
say("imported by the relay", Watch.found)
"""


def test_a_training_process_with_a_remote_imports_nothing_heavy_and_its_relay_nothing_at_all(server: Server, tmp_path: Path):
    """A fork in the middle of another thread's import would hang the child."""
    with Child(IMPORTS, server.url, tmp_path / "data") as child:
        child.done()
        (modules,) = json.loads(child.expect("modules "))
        (imported,) = json.loads(child.expect("imported by the relay "))
    assert report(child) == {"sent": 1002, "pending": 0}
    assert {"tasuki", "zstandard", "msgspec"} <= set(modules)
    assert not {"numpy", "apsw", "httpx", "litestar", "uvicorn", "rich", "typer"} & set(modules)
    assert imported == []


def position_at(transport: HttpTransport, writer: str, run: str) -> int:
    """How many bytes of a stream the server has."""
    (reply,) = transport.replicate([Item(project=PROJECT, run=run, writer=writer, offset=START.offset, crc=START.crc)]).items
    return reply.offset


def test_the_first_record_after_a_quiet_second_is_on_the_server_within_half_a_second(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    transport = HttpTransport(server.url)
    delays = []
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 1)
        (journal,) = Folder(folder / "journal").journals()
        writer, run = journal.header.writer, journal.header.run
        eventually(lambda: position_at(transport, writer, run) == size(folder))
        for _ in range(5):
            time.sleep(1.1)
            before = position_at(transport, writer, run)
            began = time.monotonic()
            child.tell("1")
            eventually(lambda before=before: position_at(transport, writer, run) > before)
            delays.append(time.monotonic() - began)
    transport.close()
    assert statistics.median(delays) < 0.5, delays


def size(folder: Path) -> int:
    """How many bytes of frames the one journal holds."""
    (journal,) = Folder(folder / "journal").journals()
    return journal.size


def test_the_first_record_of_a_run_is_on_the_server_within_half_a_second(server: Server, tmp_path: Path):
    delays = []
    for n in range(3):
        with Child(AS_TOLD, server.url, "main", tmp_path / f"data-{n}") as child:
            before = records_at(server)
            eventually(lambda n=n: bool(journals(tmp_path / f"data-{n}")))
            began = time.monotonic()
            eventually(lambda before=before: records_at(server) > before)
            delays.append(time.monotonic() - began)
            child.kill()
    assert statistics.median(delays) < 0.5, delays


ONE_SECOND = """
import sys, time, tasuki
from tests.acknowledged import say
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
sys.stdin.readline()
end = time.monotonic() + 1
for n in range(100):
    run.log({"loss": n / 7})
    time.sleep(max(0, end - time.monotonic() - (99 - n) / 100))
say("logged")
sys.stdin.readline()
"""


def test_100_calls_in_one_second_are_3_requests_at_the_most(server: Server, tmp_path: Path):
    with CountingProxy(server.port) as proxy, Child(ONE_SECOND, proxy.url, tmp_path / "data") as child:
        eventually(lambda: records_at(server) == 1)
        time.sleep(1.1)
        before = proxy.posts
        child.tell("log")
        child.expect("logged")
        assert 1 <= proxy.posts - before <= 3
        eventually(lambda: records_at(server) == 101)
        assert proxy.posts - before <= 4


def test_a_record_larger_than_a_request_usually_is_arrives(server: Server, tmp_path: Path):
    script = FINISHES.replace('{"loss": n / 7}', '{f"metric-{n}/{k}": k / 7 for k in range(60_000 if n == 1 else 1)}')
    with Child(script, server.url, tmp_path / "data", 3) as child:
        ended = finished(child, tmp_path / "data")
    assert (ended.sent, ended.pending) == (5, 0)
    with server.caught_up() as query:
        (run,) = query.runs("p")
        assert run.points == 60_002


# -- who sends what


FORKS = """
import os, sys, tasuki
from tests.acknowledged import PROJECT, log_many, say
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
import os, sys, time, tasuki
from tests.acknowledged import PROJECT, log_many, say
run = tasuki.init(PROJECT, remote=sys.argv[1], dir=sys.argv[2])
if os.fork() == 0:
    log_many(run, "child", 100)
    os._exit(0)
assert os.wait()[1] == 0
say("left")
sys.stdin.readline()
say("finished", run.finish())
"""
SPAWNED_THEN_FORKS = """
import multiprocessing, os, sys, tasuki
from tests.acknowledged import PROJECT, log_many, say
def work(run):
    log_many(run, "spawned", 50)
    if os.fork() == 0:
        log_many(run, "forked", 50)
        say("forked", run.finish())
        os._exit(0)
    assert os.wait()[1] == 0
    log_many(run, "spawned again", 50)
    say("spawned", run.finish())
"""


def test_what_is_logged_on_both_sides_of_a_fork_arrives(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    with Child(FORKS, server.url, folder) as child:
        lines = child.done()
    assert report(child)["pending"] == 0
    assert records_at(server) == records_in(folder) == 222
    assert json.loads(child.expect("child "))[0] == {"sent": 100, "pending": 0}
    assert report(child)["sent"] >= 122
    all_there(server, acknowledged(lines))


def test_what_a_forked_worker_leaves_is_sent_by_its_parent(server: Server, tmp_path: Path):
    with Child(LEAVES, server.url, tmp_path / "data") as child:
        child.expect("left")
        eventually(lambda: records_at(server) == 101)
        child.tell("finish")
        lines = child.done()
    all_there(server, acknowledged(lines))


def test_a_worker_that_was_spawned_may_fork(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    (tmp_path / "spawning.py").write_text(
        SPAWNED_THEN_FORKS
        + """
if __name__ == "__main__":
    run = tasuki.init(PROJECT, remote=sys.argv[1], dir=sys.argv[2])
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(run,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    say("finished", run.finish())
"""
    )
    script = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    with Child(script, tmp_path / "spawning.py", server.url, folder) as child:
        lines = child.done()
    assert report(child)["pending"] == 0
    assert len(acknowledged(lines)) == 150
    assert records_at(server) == records_in(folder) == 152
    assert differences(folder, server.url) == []
    all_there(server, acknowledged(lines))


INIT = """
import sys, tasuki
from tests.acknowledged import say
run = tasuki.init("next", remote=sys.argv[1], dir=sys.argv[2])
say("began")
sys.stdin.readline()
"""


def test_a_later_process_sends_what_killed_ones_left_for_its_remote_and_nothing_else(server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    server.kill()
    lines: dict[str, list[str]] = {}
    for who, remote in {"killed": server.url, "local": "", "elsewhere": f"http://127.0.0.1:{free_port()}"}.items():
        with Child(AS_TOLD, remote, who, folder) as child:
            logged(child, 50)
            child.kill()
            lines[who] = child.lines
    server.start()
    began = time.monotonic()
    with Child(INIT, server.url, folder) as later:
        eventually(lambda: records_at(server) == 52)
        assert time.monotonic() - began < 10
        later.tell("end")
        later.end()
    assert records_at(server) == 53
    all_there(server, acknowledged(lines["killed"]))
    done = tasuki(folder, "sync", "--to", server.url)
    assert done.returncode == 0, done.stderr
    assert records_at(server) == records_in(folder) == 155
    all_there(server, acknowledged([line for of_one in lines.values() for line in of_one]))


def test_the_kill_switch_stops_what_is_automatic_and_sync_still_sends(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TASUKI_DISABLE_WRITE_THROUGH", "1")
    with CountingProxy(server.port) as proxy:
        with Child(FINISHES, proxy.url, tmp_path / "data", 10) as child:
            ended = finished(child, tmp_path / "data")
        assert ended.seconds < 1
        assert proxy.connections == []
        assert sync_all(tmp_path / "data", proxy.url).sent == 12
    assert records_at(server) == 12
