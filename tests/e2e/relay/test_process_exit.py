"""How a training process ends whatever its remote is: soon, and with the truth on record and in what it returns."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tasuki.records import RunStatus, Status
from tests.support.journals import journals, records_of
from tests.support.processes import Child, eventually
from tests.support.remote_server import Hung, Server, Website, free_port, records_at, records_in
from tests.support.shell import at_once, tasuki

FINISHES = """
import json, sys, time, tasuki
remote, folder, count = sys.argv[1:]
run = tasuki.init("p", remote=remote, dir=folder)
for n in range(int(count)):
    run.log({"loss": n / 7})
began = time.monotonic()
sent = run.finish()
print(json.dumps([time.monotonic() - began, sent["sent"], sent["pending"]]), flush=True)
"""
LOGS = """
import sys, time, tasuki
remote, folder = sys.argv[1:]
run = tasuki.init("p", remote=remote, dir=folder)
run.log({"loss": 1.0})
print("logged", time.monotonic(), flush=True)
"""


# -- remotes that are none


class Remotes(NamedTuple):
    """Addresses where there is no server of ours, by what is wrong with them; and the web pages among them."""

    urls: dict[str, str]
    sites: dict[str, Website]


WRONG = ["a web page", "not found", "in trouble", "hung", "refused"]


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


# -- finish()


class Finished(NamedTuple):
    """What became of a run that was finished: how long that took, what was returned, and what was written to stderr."""

    folder: Path
    seconds: float
    sent: int
    pending: int
    errors: str


def finished(remote: str, folder: Path, count: int) -> Finished:
    """Log so often, and finish."""
    with Child(FINISHES, remote, folder, count) as child:
        (line,) = child.done()
        return Finished(folder, *json.loads(line), child.complaints())


@pytest.fixture(scope="module")
def finishes(wrong: Remotes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """A run with each of them as its remote."""
    folders = {name: tmp_path_factory.mktemp("data") for name in WRONG}
    return at_once({name: lambda name=name: finished(wrong.urls[name], folders[name], 100) for name in WRONG})  # type: ignore[misc]


@pytest.mark.parametrize("remote", WRONG)
def test_finish_returns_within_5_and_a_half_seconds_and_says_that_nothing_was_sent(remote: str, finishes: dict[str, Finished]):
    found = finishes[remote]
    assert found.seconds < 5.5
    assert (found.sent, found.pending) == (0, 102)
    assert records_in(found.folder) == 102


@pytest.mark.parametrize("remote", WRONG)
def test_a_remote_that_is_none_is_warned_of_once(remote: str, finishes: dict[str, Finished], wrong: Remotes):
    errors = finishes[remote].errors
    if remote in wrong.sites:
        requests = wrong.sites[remote].requests
        assert requests <= 2 if remote == "not found" else requests > 2, "what takes nothing is tried again in a minute"
    assert errors.count("stay here for now") == (remote != "hung"), errors
    assert "Traceback" not in errors


def test_finish_with_a_hung_server_counts_a_long_backlog_in_time(wrong: Remotes, tmp_path: Path):
    found = finished(wrong.urls["hung"], tmp_path, 300_000)
    assert found.seconds < 5.5
    assert (found.sent, found.pending) == (0, 300_002)


# -- remote test


SAYS = {
    "a web page": "not a tasuki server",
    "not found": "not a tasuki server",
    "in trouble": "502",
    "hung": "did not answer",
    "refused": "nothing listens",
}


def test_remote_test_says_what_is_wrong_and_exits_with_5(wrong: Remotes, tmp_path: Path):
    tests = at_once({name: lambda url=url: tasuki(tmp_path, "remote", "test", url) for name, url in wrong.urls.items()})  # type: ignore[misc]
    for name, done in tests.items():
        assert done.returncode == 5, name
        assert SAYS[name] in done.stderr
        assert wrong.urls[name] in done.stdout
        assert "Traceback" not in done.stderr


# -- ends without finish()


class End(NamedTuple):
    """How a process ended: after how many seconds, with which code, and what its journal says."""

    seconds: float
    code: int
    status: RunStatus


def end_of(remote: str, folder: Path, does: str, *, terminated: bool) -> End:
    """Let it log, then do something, and see how it ends: by itself or by SIGTERM."""
    with Child(LOGS + does, remote, folder) as child:
        began = float(child.expect("logged "))
        if terminated:
            if does == FINISH:
                eventually(lambda: bool(statuses(folder)))
            began = time.monotonic()
            child.signal(signal.SIGTERM)
        code = child.process.wait(30)
        seconds = time.monotonic() - began
    (status,) = statuses(folder)
    return End(seconds, code, status)


def statuses(folder: Path) -> list[RunStatus]:
    """The statuses in the one journal there is."""
    (journal,) = journals(folder)
    return [record for record in records_of(journal) if isinstance(record, RunStatus)]


FINISH = "run.finish()"
SLEEP = "time.sleep(60)"
LOG = "while True: run.log({'loss': 1.0}); time.sleep(0.001)"
RAISE = "raise ValueError('boom')"
NO_FINISH = (0, Status.FAILED, "the interpreter ended without finish()")
KILLED = (-signal.SIGTERM, Status.FAILED, "SIGTERM")
ENDS = {
    "returns, hung": ("hung", "", False, NO_FINISH),
    "returns, refused": ("refused", "", False, NO_FINISH),
    "raises, hung": ("hung", RAISE, False, (1, Status.FAILED, "ValueError: boom")),
    "raises, in trouble": ("in trouble", RAISE, False, (1, Status.FAILED, "ValueError: boom")),
    "sleeps, SIGTERM, hung": ("hung", SLEEP, True, KILLED),
    "sleeps, SIGTERM, not found": ("not found", SLEEP, True, KILLED),
    "logs, SIGTERM, hung": ("hung", LOG, True, KILLED),
    "finishes, SIGTERM, hung": ("hung", FINISH, True, (-signal.SIGTERM, Status.FINISHED, None)),
}


@pytest.fixture(scope="module")
def ends(wrong: Remotes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """All of them, four at a time."""
    found: dict[str, End] = {}
    names = list(ENDS)
    for some in (names[:4], names[4:]):
        actions = {}
        for name in some:
            remote, does, terminated, _ = ENDS[name]
            folder = tmp_path_factory.mktemp("data")
            actions[name] = lambda remote=remote, folder=folder, does=does, terminated=terminated: end_of(
                wrong.urls[remote], folder, does, terminated=terminated
            )
        found |= at_once(actions)
    return found


@pytest.mark.parametrize("name", ENDS)
def test_a_process_is_gone_within_2_seconds_whatever_its_remote_is_and_says_how_it_ended(name: str, ends: dict[str, End]):
    found = ends[name]
    assert found.seconds < 2
    assert (found.code, found.status.status, found.status.reason) == ENDS[name][3]


# -- with a server


def test_what_an_ending_without_finish_says_is_on_the_server_and_remote_test_is_fine(tmp_path: Path):
    folder = tmp_path / "data"
    with Server(tmp_path / "server") as server:
        with Child(LOGS, server.url, folder) as child:
            child.done()
        assert records_at(server) == records_in(folder) == 3
        with server.caught_up() as query:
            assert [run.status for run in query.runs("p")] == [Status.FAILED]
        done = tasuki(folder, "remote", "test", server.url)
        assert (done.returncode, done.stderr) == (0, "")
