"""A request to stop reaches the process that makes the run, on a folder and through a server alike."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import tasuki
from tasuki.errors import Conflict, NotFound
from tests.support.processes import Child, eventually
from tests.support.query_targets import Target
from tests.support.remote_server import Server
from tests.support.servers import serving
from tests.support.shell import tasuki as command

WAITS = """
import sys, time, tasuki
run = tasuki.init(name="it", id=sys.argv[1] if sys.argv[1:] else None, resume="allow" if sys.argv[1:] else "never")
run.log({"loss": 1.0})
print("run", run.id, flush=True)
while not tasuki.should_stop():
    time.sleep(0.01)
stop = tasuki.should_stop()
print("stopped", time.monotonic(), stop.source, stop.reason, stop.metric, stop.step, stop.by, flush=True)
run.finish()
"""
GOES_ON = """
import sys, time, tasuki
run = tasuki.init(name="it", id=sys.argv[1], resume="must")
run.log({"loss": 2.0})
print("run", run.id, flush=True)
for line in sys.stdin:
    print("stop" if tasuki.should_stop() else "go on", flush=True)
"""


def known(target: Target, run: str) -> bool:
    """Whether those who ask know of the run."""
    with target.api() as api:
        return target.project in api.projects() and run in {row.id for row in api.runs(target.project)}


def begun(target: Target, child: Child) -> str:
    """The run's id, once those who ask know of it."""
    run = child.expect("run ")
    eventually(lambda: known(target, run))
    return run


def test_a_stop_reaches_should_stop_within_2_seconds_and_says_who_asked_and_why(target: Target):
    with target.child(WAITS) as child:
        run = begun(target, child)
        asked = time.monotonic()
        with target.api() as api:
            row = api.run(run, target.project).stop("it diverges")
        took = float(child.expect("stopped ").split()[0]) - asked
        assert took < 2
        assert row.stop.reason == "it diverges"
        assert child.lines[-1].split(" ", 2)[2] == f"control it diverges None None {row.stop.by}"
        child.done()
    shown = target.json("run", "show", run)["run"]
    assert (shown["status"], shown["stop"]["reason"], shown["stop"]["by"]) == ("finished", "it diverges", row.stop.by)


def test_a_stop_by_the_command_is_on_record_and_the_first_one_stands(target: Target):
    with target.child(WAITS) as child:
        run = begun(target, child)
        first = target.json("run", "stop", "it", "--reason", "first")
        assert (first["id"], first["stop"]["reason"], first["schema"]) == (run, "first", "tasuki/run-stop/1")
        child.expect("stopped ")
        child.done()
    again = target.ask("run", "stop", run)
    assert again.returncode == 4
    assert again.stderr == f"error: run {run!r} (it) is finished: there is nothing to stop\n"


def test_an_old_stop_does_not_stop_a_resumed_run(target: Target):
    with target.child(WAITS) as child:
        run = begun(target, child)
        target.json("run", "stop", run)
        child.expect("stopped ")
        child.kill()  # so that even its request is left behind
    with target.child(GOES_ON, run) as child:
        begun(target, child)
        time.sleep(1.1)
        child.tell("?")
        assert child.expect("", 2) == "go on"
        eventually(lambda: target.json("run", "show", run)["run"]["attempt"] == 2)
        assert target.json("run", "show", run)["run"]["stop"] is None


def test_a_stop_of_what_is_not_there_says_what_is(target: Target):
    run = target.init("it")
    eventually(lambda: known(target, run.id))
    done = target.ask("run", "stop", "another")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"error: project {target.project!r} has no run 'another'\n")
    run.finish()
    with target.api() as api:
        listed = api.run(run.id, target.project)
        with pytest.raises(Conflict, match="is finished: there is nothing to stop"):
            listed.stop()
        with pytest.raises(NotFound):
            api.run("another", target.project)


# -- through a server that comes and goes


def test_a_stop_that_was_asked_while_the_machine_was_offline_arrives_when_it_is_back_whatever_the_server_went_through(
    tmp_path: Path,
):
    with Server(tmp_path / "server") as server:
        target = Target("server", "p", tmp_path / "data", tmp_path / "reader", server)
        with target.child(WAITS) as child:
            run = begun(target, child)
            child.signal(signal.SIGSTOP)  # SIGSTOP: it neither hears nor says anything
            asked = target.json("run", "stop", run, "--reason", "over budget")
            assert asked["stop"]["reason"] == "over budget"
            server.kill_all()
            server.start()
            child.signal(signal.SIGCONT)
            assert child.expect("stopped ").split(" ", 1)[1].startswith("control over budget")


def test_a_stop_in_the_servers_own_folder_reaches_a_run_elsewhere(tmp_path: Path):
    with Server(tmp_path / "server") as server:
        target = Target("server", "p", tmp_path / "data", tmp_path / "reader", server)
        with target.child(WAITS) as child:
            run = begun(target, child)
            done = command(server.folder, "run", "stop", run, "--project", "p")
            assert done.returncode == 0, done.stderr
            child.expect("stopped ")


def test_a_stop_over_http_reaches_a_run_that_is_made_in_the_servers_own_folder_and_sends_nothing(tmp_path: Path):
    with Server(tmp_path / "server") as server:
        local = Target("folder", "p", server.folder, server.folder)
        with local.child(WAITS) as child:
            run = begun(local, child)
            asked = local._replace(reader=tmp_path / "reader", server=server).json("run", "stop", run, "--reason", "x")
            assert asked["stop"]["reason"] == "x"
            assert child.expect("stopped ").split(" ", 1)[1].startswith("control x")


# -- whose it is


def test_only_those_who_may_send_to_a_run_hear_of_its_stop_and_only_those_who_may_write_ask_for_it(tmp_path: Path):
    folder = tmp_path / "server"
    made = [
        command(folder, "token", "create", *what)
        for what in (["--log", "p", "--name", "ada"], ["--log", "p", "--name", "eve"], ["--write", "p", "--name", "bob"])
    ]
    ada, eve, bob = (done.stdout.strip() for done in made)
    with serving(folder) as server:
        run = tasuki.init("p", "it", dir=str(tmp_path / "data"), remote=server.url, token=ada)
        run.log({"loss": 1.0})
        listens = {"listening": [{"project": "p", "run": run.id, "attempt": run.start_record.attempt}], "wait_s": 2}

        def heard(token: str) -> list[dict]:
            with server.connected(token) as client:
                return client.post("/api/v1/replicate", json=listens).json().get("control", [])

        def ask(token: str) -> httpx.Response:
            with server.connected(token) as client:
                return client.post(f"/api/v1/runs/{run.id}/stop", params={"project": "p"}, json={"reason": "x", "by": "nobody"})

        with server.connected(bob) as client:
            eventually(lambda: client.get(f"/api/v1/runs/{run.id}", params={"project": "p"}).status_code == 200)
        with ThreadPoolExecutor(2) as pool:
            listeners = [pool.submit(heard, token) for token in (ada, eve)]
            time.sleep(0.3)
            assert [ask(token).status_code for token in (ada, eve)] == [403, 403]
            answer = ask(bob)
            assert (answer.status_code, answer.json()["stop"]["by"]) == (200, "bob")
            assert [listener.result() for listener in listeners] == [
                [{"run": run.id, "attempt": run.start_record.attempt, "stop": "x", "by": "bob"}],
                [],
            ]
        eventually(lambda: bool(run.should_stop()))
        run.finish()
