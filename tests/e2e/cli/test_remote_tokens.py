"""Named remotes and tokens, from the command line and from runs, with a real server that has tokens."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tasuki.client.receipt import is_genuine
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import Tokens, open_tokens
from tests.support.journals import metrics, write_journal
from tests.support.processes import Child, eventually
from tests.support.servers import Server, serving
from tests.support.shell import python, tasuki

RUN = """
import tasuki
run = tasuki.init(project="p", name="n", remote="team")
run.log({"loss": 1.0})
print(run.finish())
"""
LONG_RUN = """
import sys, tasuki
run = tasuki.init(project="p", name="long", remote="team", dir=sys.argv[1])
run.log({"loss": 1.0})
print("logged", flush=True)
sys.stdin.readline()
print(run.finish(), flush=True)
"""


class Place(NamedTuple):
    server: Server
    tokens: Tokens
    client: Path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with open_tokens(tmp_path / "server") as tokens:
        admin = tokens.create(Scope.ADMIN)
        with serving(tmp_path / "server", token=admin) as server:
            yield Place(server, tokens, tmp_path / "client")


def add(place: Place, token: str) -> None:
    done = tasuki(place.client, "remote", "add", "team", place.server.url, "--token", "-", text=f"{token}\n")
    assert done.returncode == 0, done.stderr
    assert token not in done.stdout + done.stderr


def test_a_named_remote_and_its_token_are_used_by_runs_and_commands(place):
    text = place.tokens.create(Scope.WRITE, "p")
    add(place, text)
    listed = tasuki(place.client, "remote", "list", "--json")
    assert json.loads(listed.stdout)["remotes"] == [{"name": "team", "url": place.server.url, "token": True}]
    assert text not in listed.stdout
    assert "'pending': 0" in python(place.client, RUN)
    assert tasuki(place.client, "run", "list", "--remote", "team", "--project", "p").stdout.count("finished") == 1
    assert tasuki(place.client, "sync", "--to", "team").returncode == 0
    assert tasuki(place.client, "verify", "--remote", "team").returncode == 0
    assert tasuki(place.client, "remote", "remove", "team").returncode == 0
    gone = tasuki(place.client, "sync", "--to", "team")
    assert (gone.returncode, "remote add team URL" in gone.stderr) == (2, True)


@pytest.mark.parametrize(
    ("scope", "verdict", "code", "said"),
    [
        (None, "unauthorized", 5, "needs a token"),
        ("wrong", "unauthorized", 5, "mistyped, revoked or has expired"),
        (Scope.READ, "insufficient", 5, "for read on project 'p'"),
        (Scope.LOG, "ok", 0, "for log on project 'p'"),
    ],
)
def test_remote_test_says_what_a_token_is_good_for(place, scope, verdict, code, said):
    token = place.tokens.create(scope, "p") if isinstance(scope, Scope) else (scope or "")
    done = tasuki(place.client, "remote", "test", place.server.url, "--json", TASUKI_TOKEN=token)
    found = json.loads(done.stdout)
    assert (found["verdict"], done.returncode) == (verdict, code), done.stdout + done.stderr
    assert said in found["said"]
    assert not token or token not in done.stdout + done.stderr


def test_a_receipt_is_written_with_the_token_that_the_credentials_have(place, tmp_path):
    text = place.tokens.create(Scope.WRITE, "p")
    add(place, text)
    python(place.client, RUN)
    receipt = tmp_path / "receipt.json"
    done = tasuki(place.client, "verify", "--remote", "team", "--receipt", str(receipt))
    assert done.returncode == 0, done.stderr
    assert is_genuine(json.loads(receipt.read_text()), text)


def test_a_credentials_file_that_is_open_to_others_is_said(place):
    add(place, place.tokens.create(Scope.WRITE))
    (place.client / "credentials").chmod(0o644)
    done = tasuki(place.client, "sync", "--to", "team")
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True)


def test_a_token_on_the_command_line_is_refused(place):
    done = tasuki(place.client, "remote", "add", "team", place.server.url, "--token", "tsk_secret")
    assert (done.returncode, "tsk_secret" in done.stderr) == (2, False)


def test_a_new_token_in_the_file_is_used_by_a_run_that_is_under_way(place):
    first = place.tokens.create(Scope.LOG, "p", name="cluster")
    add(place, first)
    place.tokens.revoke(first.split("_")[1])
    with Child(LONG_RUN, place.client) as child:
        child.expect("logged")
        second = place.tokens.create(Scope.LOG, "p", name="cluster")
        add(place, second)
        eventually(lambda: place.server.json("projects")["total"] == 1)
        child.tell("")
        child.expect("{'sent': 3, 'pending': 0}")


def test_a_token_is_shown_once_and_revoked_by_its_id(tmp_path):
    made = tasuki(tmp_path, "token", "create", "--log", "p", "--name", "cluster", "--expires", "30")
    text = made.stdout.strip()
    assert text.startswith("tsk_")
    listed = tasuki(tmp_path, "token", "list", "--json")
    (row,) = json.loads(listed.stdout)["tokens"]
    assert (row["name"], row["scope"], row["project"], row["revoked"]) == ("cluster", "log", "p", None)
    assert text not in listed.stdout
    assert row["expires"] - row["created"] == pytest.approx(30 * 86_400_000_000, abs=1e6)
    assert tasuki(tmp_path, "token", "revoke", row["id"]).returncode == 0
    assert json.loads(tasuki(tmp_path, "token", "list", "--json").stdout)["tokens"][0]["revoked"]
    assert tasuki(tmp_path, "token", "revoke", "nothing").returncode == 3


@pytest.mark.parametrize("wrong", [["--log"], [], ["--log", "--read", "p"], ["--admin", "p"]])
def test_a_token_for_nothing_clear_is_refused(tmp_path, wrong):
    assert tasuki(tmp_path, "token", "create", *wrong).returncode == 2


def test_what_a_token_is_not_for_goes_with_one_that_is_and_needs_no_retry(place):
    for project in ("p", "q"):
        write_journal(place.client / "journal", [metrics(1)], project=project)
    done = tasuki(place.client, "sync", "--to", place.server.url, TASUKI_TOKEN=place.tokens.create(Scope.LOG, "p"))
    assert done.returncode == 5
    assert "for log on project 'p'" in done.stderr or "not for this project" in done.stderr
    done = tasuki(place.client, "sync", "--to", place.server.url, TASUKI_TOKEN=place.tokens.create(Scope.WRITE))
    assert done.returncode == 0, done.stderr
    assert {row["name"] for row in place.server.json("projects")["projects"]} == {"p", "q"}


def test_jobs_stay_in_their_folder_and_keep_nobody_from_sending(place):
    add(place, place.tokens.create(Scope.WRITE, "p"))
    python(place.client, RUN)
    assert tasuki(place.client, "job", "submit", "--on", "local", "--", "true").returncode == 0
    assert tasuki(place.client, "sync", "--to", "team").returncode == 0
    assert tasuki(place.client, "verify", "--remote", "team").returncode == 0


def test_a_name_is_not_given_to_another_server_and_keeps_its_token(place):
    text = place.tokens.create(Scope.WRITE, "p")
    add(place, text)
    other = tasuki(place.client, "remote", "add", "team", "http://127.0.0.1:9")
    assert (other.returncode, "remote remove team" in other.stderr) == (4, True)
    assert tasuki(place.client, "remote", "add", "team", place.server.url).returncode == 0
    assert "'pending': 0" in python(place.client, RUN)


def test_nothing_to_verify_is_no_proof(place, tmp_path):
    add(place, place.tokens.create(Scope.WRITE, "p"))
    done = tasuki(place.client, "verify", "--remote", "team")
    assert (done.returncode, "nothing is recorded in" in done.stderr) == (0, True)
