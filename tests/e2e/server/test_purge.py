"""`tasuki purge`: a server drops what it holds of a run, for good."""

import json
from pathlib import Path

import tasuki
from tests.support.remote_server import Server
from tests.support.shell import tasuki as command


def test_a_purged_run_is_gone_there_and_stays_here(tmp_path: Path) -> None:
    here = tmp_path / "here"
    ids = []
    for name in ("bad", "good"):
        with tasuki.init("digits", name, dir=here) as run:
            run.log({"loss": 1.0})
        ids.append(run.id)
    with Server(tmp_path / "server") as server:

        def at(*words: str) -> tuple[int, str]:
            done = command(here, *words, "--remote", server.url)
            return done.returncode, done.stdout

        def listed() -> list[str]:
            return [run["id"] for run in json.loads(at("run", "list", "--json")[1])["runs"]]

        assert command(here, "sync", "--to", server.url).returncode == 0
        assert at("purge", "bad")[0] == 2  # nobody can be asked
        assert at("purge", "absent", "--yes")[0] == 3
        assert command(here, "purge", "bad", "--yes").returncode == 2  # no server is named
        assert listed() == ids
        code, said = at("purge", "bad", "--yes", "--json")
        assert (code, json.loads(said)["runs"]) == (0, [{"id": ids[0], "streams": 1}])
        assert listed() == [ids[1]]
        assert at("purge", ids[0], "--yes")[0] == 3  # it is purged already
        assert at("run", "delete", "good", "--yes")[0] == 0
        assert at("purge", ids[1], "--project", "digits", "--yes")[0] == 0  # a deleted one has an id still
        assert command(here, "sync", "--to", server.url).returncode == 0
        assert at("run", "list", "--project", "digits")[0] == 3
    assert [run["name"] for run in json.loads(command(here, "run", "list", "--json").stdout)["runs"]] == ["bad", "good"]
