"""Alerts reach a real receiver: from a server, from a folder without one, through failures, hangs and kills."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import tasuki
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, free_port
from tests.support.shell import TASUKI, environment
from tests.support.shell import tasuki as command
from tests.support.webhook_receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def settings(folder: Path, **keys: object) -> None:
    """Write a settings file; its owner's alone, as it holds addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tasuki.yaml").write_text(yaml.safe_dump(keys))


class Watching:
    """`tasuki notify watch` over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([*TASUKI, "notify", "watch"], env=environment(folder), stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        eventually(lambda: len(list((folder / "notify").glob("*"))) > 1)  # its targets have begun

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        os.kill(self.process.pid, number)
        code = self.process.wait(20)
        assert self.process.stderr is not None
        self.said += self.process.stderr.read()
        self.process.stderr.close()
        return code


@contextmanager
def watching(folder: Path) -> Iterator[Watching]:
    found = Watching(folder)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.end(signal.SIGKILL)


def noted(folder: Path) -> int:
    """How many deliveries are on the disk."""
    return sum(path.read_text().count("\n") - 1 for path in (folder / "notify").iterdir() if path.name != "lock")


def run_with(folder: Path, *titles: str, level: str = "warn", remote: str | None = None) -> tasuki.Run:
    """A run that raises alerts and ends."""
    run = tasuki.init("digits", "lr-1", dir=str(folder), remote=remote)
    for title in titles:
        run.alert(title, level=level, step=3, data={"window": 50})
    run.finish()
    return run


def test_a_server_delivers_the_alerts_of_the_runs_that_are_sent_to_it(tmp_path: Path, receiver: Receiver):
    settings(tmp_path / "server", notify=[receiver.url])
    with Server(tmp_path / "server") as server:
        run = run_with(tmp_path / "data", "it is flat", remote=server.url)
        eventually(lambda: receiver.titles() == ["it is flat"])
        with tasuki.init("digits", "lr-9", dir=str(tmp_path / "data"), remote=server.url) as broken:
            broken.watch("loss")
            broken.log({"loss": float("nan")}, step=1)
        eventually(lambda: receiver.titles() == ["it is flat", "loss is nan"])
        server.stop()
    message, nan = receiver.messages
    assert (nan.body["alert"]["reason"], nan.body["alert"]["value"], nan.body["alert"]["metric"]) == ("nan", "NaN", "loss")
    assert message.headers["Idempotency-Key"] == message.body["id"] == message.body["alert"]["id"]
    assert message.body["run"] == {"id": run.id, "name": "lr-1"}
    assert message.body["link"] == f"{server.url}/#project=digits&runs={run.id}"
    assert message.body["alert"] | {"id": "", "time": ""} == {
        "id": "", "time": "", "level": "warn", "title": "it is flat", "text": None, "reason": None, "metric": None, "value": None,
        "step": 3, "data": {"window": 50},
    }  # fmt: skip


def test_a_folder_without_a_server_is_watched_by_a_command_that_one_process_alone_may_be(tmp_path: Path, receiver: Receiver):
    settings(tmp_path, notify=[{"url": receiver.url, "project": "digits", "level": "error"}])
    run_with(tmp_path, "before", level="error")
    with watching(tmp_path) as watcher:
        run_with(tmp_path, "quiet")
        run_with(tmp_path, "loud", level="error")
        eventually(lambda: receiver.titles() == ["loud"])
        second = command(tmp_path, "notify", "watch")
        assert (second.returncode, "another process delivers the alerts" in second.stderr) == (4, True)
        assert watcher.end() == 0


def test_no_alert_is_lost_or_told_twice_over_failures_and_kills(tmp_path: Path, receiver: Receiver):
    settings(tmp_path, notify=[receiver.url])
    with watching(tmp_path) as watcher:
        receiver.answers = [(503, {}), (429, {"Retry-After": "1"})]
        run_with(tmp_path, "a", "b")
        eventually(lambda: noted(tmp_path) == 2)
        assert receiver.titles() == ["a", "b"]
        watcher.end(signal.SIGKILL)
    run_with(tmp_path, "c")
    receiver.answers = [(500, {})]
    with watching(tmp_path) as watcher:
        eventually(lambda: any(message.status == 500 for message in receiver.messages))
        watcher.end(signal.SIGKILL)  # while `c` waits to be told again
    with watching(tmp_path) as watcher:
        eventually(lambda: receiver.titles() == ["a", "b", "c"])
        run_with(tmp_path, "d")
        eventually(lambda: receiver.titles() == ["a", "b", "c", "d"])
        assert watcher.end() == 0
    assert [message.status for message in receiver.messages] == [503, 429, 204, 204, 500, 204, 204]


def test_an_alert_that_was_taken_just_before_a_kill_comes_again_under_the_same_id(tmp_path: Path, receiver: Receiver):
    settings(tmp_path, notify=[receiver.url])
    with watching(tmp_path) as watcher:
        receiver.hang()
        run_with(tmp_path, "edge")
        eventually(lambda: receiver.asked == 1)
        watcher.end(signal.SIGKILL)
        receiver.gate.set()
    with watching(tmp_path):
        eventually(lambda: len(receiver.messages) >= 2)
    assert len({message.body["id"] for message in receiver.messages}) == 1


def test_a_target_that_hangs_holds_up_no_other_and_not_the_end_of_the_server(tmp_path: Path, receiver: Receiver):
    with Receiver() as other:
        settings(tmp_path / "server", notify=[other.url, receiver.url])
        other.hang()
        with Server(tmp_path / "server") as server:
            run_with(tmp_path / "data", "one", "two", remote=server.url)
            eventually(lambda: receiver.titles() == ["one", "two"])
            server.stop()
        assert other.messages == []
        other.gate.set()
        with Server(tmp_path / "server") as server:
            eventually(lambda: set(other.titles()) == {"one", "two"})
            assert receiver.titles() == ["one", "two"]


def test_what_apprise_knows_is_told_too(tmp_path: Path, receiver: Receiver):
    address = receiver.url.replace("http://", "json://")
    settings(tmp_path, notify=[address])
    with watching(tmp_path):
        receiver.answers = [(500, {})]
        run_with(tmp_path, "flat", level="error")
        eventually(lambda: len(receiver.taken) == 1)
    (body,) = receiver.taken
    assert (body["title"], body["message"], body["type"]) == ("[error] digits · lr-1: flat", "step 3", "failure")


def test_a_test_says_of_each_target_what_became_of_it_and_shows_no_secret(tmp_path: Path, receiver: Receiver):
    dead = f"http://127.0.0.1:{free_port()}/s3cr3t-key"
    settings(tmp_path, notify=[receiver.url, {"url": dead, "level": "error"}, receiver.url.replace("http://", "json://")])
    receiver.answers = [(204, {}), (403, {})]
    found = command(tmp_path, "notify", "test")
    assert found.returncode == 5
    lines = [line.split("\t") for line in found.stdout.splitlines()]
    assert [line[1:3] for line in lines] == [["project", "level"], ["all", "warn"], ["all", "error"], ["all", "warn"]]
    assert lines[1][3] == "delivered"
    assert "can't be reached" in lines[2][3]
    assert "did not take it" in lines[3][3]
    assert "2 of 3 did not take it" in found.stderr
    assert "s3cr3t" not in found.stdout + found.stderr
    assert receiver.messages[0].body["schema"] == "tasuki/alert-test/1"


def test_the_doctor_says_whether_somebody_delivers(tmp_path: Path, receiver: Receiver):
    settings(tmp_path, notify=[receiver.url])
    run_with(tmp_path, "flat")
    degraded = command(tmp_path, "doctor")
    with watching(tmp_path):
        well = command(tmp_path, "doctor")
    assert (degraded.returncode, well.returncode) == (1, 0)
    assert "alerts\tdegraded\tnobody delivers them to http://127.0.0.1/… (" in degraded.stdout
    assert "alerts\tok\tdelivered to http://127.0.0.1/… (" in well.stdout
    assert "s3cr3t" not in degraded.stdout + well.stdout


def test_without_an_address_the_commands_say_what_to_write(tmp_path: Path):
    found = command(tmp_path, "notify", "test")
    assert found.returncode == 2
    assert "hint: notify: [{url: 'https://hooks.example/x'}] in " in found.stderr


def test_what_goes_wrong_is_logged_without_the_secrets_of_an_address(tmp_path: Path):
    settings(tmp_path, notify=[f"http://user:s3cr3t@127.0.0.1:{free_port()}/s3cr3t?key=s3cr3t"])
    with watching(tmp_path) as watcher:
        run_with(tmp_path, "flat")
        assert watcher.process.stderr is not None
        watcher.said += watcher.process.stderr.readline()
        watcher.end()
    assert "alerts wait for http://127.0.0.1/… (" in watcher.said
    assert "s3cr3t" not in watcher.said


STALLS = """
import sys, tasuki
run = tasuki.init("digits", "slow", remote=sys.argv[1], dir=sys.argv[2])
for line in sys.stdin:
    run.log({"loss": 1.0})
"""


def test_a_run_that_lives_and_logs_nothing_is_stalled_once_and_again_after_progress(tmp_path: Path, receiver: Receiver):
    settings(tmp_path / "server", notify=[receiver.url], stalled_minutes=0.02)
    with Server(tmp_path / "server") as server, Child(STALLS, server.url, tmp_path / "data") as child:
        child.tell("log")

        def stalls() -> list[tuple[int | None, object]]:
            with tasuki.Api(server.url) as api:
                return [(alert.step, alert.data) for alert in api.alerts("digits", reason="stalled")] if api.projects() else []

        told = (0, {"minutes": 0.02, "attempt": 1, "points": 1, "done": 0})
        eventually(lambda: stalls() == [told])
        eventually(lambda: receiver.titles() == ["no progress for 0.02 minutes"])
        child.tell("log")
        eventually(lambda: len(stalls()) == 2)
        assert stalls() == [told, (1, {"minutes": 0.02, "attempt": 1, "points": 2, "done": 0})]
        eventually(lambda: len(receiver.titles()) == 2)
        child.kill()
