"""`tasuki job`: the same on a data folder and through a server, with real processes here and a faithful Replicate elsewhere."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasuki.testing import FakeReplicate
from tests.support.job_servers import settings_of
from tests.support.processes import eventually
from tests.support.servers import serving
from tests.support.shell import TASUKI, environment, tasuki

COUNT = "for n in 1 2 3; do echo step $n/3; done"
ESCAPES = r"printf '\033[31mred\033[0m \033]0;title\007\033[2Jplain\n10%%\r100%%\n'"


class Place(NamedTuple):
    """Where commands are typed, and the option that says whom they ask."""

    folder: Path
    options: tuple[str, ...]
    fake: FakeReplicate

    def job(self, *words: str, code: int = 0, text: str | None = None) -> str:
        """What a command prints, when it exits with this code."""
        command, *rest = words
        done = tasuki(self.folder, "job", command, *self.options, *rest, text=text)
        assert done.returncode == code, done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The same as JSON."""
        found: dict[str, Any] = json.loads(self.job(*words, "--json", code=code))
        assert found["schema"] == f"tasuki/job-{words[0]}/1"
        return found

    def submit(self, script: str, *options: str) -> str:
        """A job of this machine."""
        return self.job("submit", "--on", "local", *options, "--", "sh", "-c", script).strip()


@pytest.fixture(scope="module", params=["folder", "remote"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("jobs")
    with FakeReplicate() as fake:
        (folder / "tasuki.yaml").write_text(settings_of(fake))
        if request.param == "folder":
            yield Place(folder, (), fake)
            return
        elsewhere = tmp_path_factory.mktemp("nothing")
        with serving(folder) as server:
            yield Place(elsewhere, ("--remote", server.url), fake)


def test_a_job_is_submitted_followed_and_shown(place: Place) -> None:
    id = place.submit(COUNT, "--name", "a name\twith a tab", "--meta", "note=7")
    assert re.fullmatch(r"[0-9a-f]{12}", id)
    assert place.job("logs", id[:8], "-f").splitlines() == ["step 1/3", "step 2/3", "step 3/3"]
    assert place.json("logs", id)["lines"] == ["step 1/3", "step 2/3", "step 3/3"]
    job = place.json("wait", id, "--timeout", "1h")["job"]
    assert (job["job_id"], job["status"], job["provider"], job["metadata"]["note"]) == (id, "completed", "local", 7)
    header, *rows = [line.split("\t") for line in place.job("list").splitlines()]
    assert header == ["id", "name", "provider", "status", "stage", "progress", "created", "duration", "cost_usd", "sync_state"]
    assert [row[:4] for row in rows if row[0] == id] == [[id, r"a name\twith a tab", "local", "completed"]]
    facts = dict(line.split("\t", 1) for line in place.job("show", id).splitlines())
    assert (facts["status"], facts["raw_status"], facts["attempt"]) == ("completed", "exit code 0", "1")


def test_wait_says_by_its_exit_code_what_came_of_it(place: Place) -> None:
    assert place.json("wait", place.submit("exit 3"), code=1)["job"]["error_message"] == "exit code 3"
    id = place.submit("sleep 60")
    assert place.json("wait", id, "--timeout", "0.5s", code=7)["job"]["status"] == "running"
    place.job("wait", "nothing", code=3)
    assert place.json("cancel", id)["jobs"][0]["status"] == "cancelled"


def test_what_is_over_can_be_retried_and_deleted_and_what_is_not_can_not(place: Place) -> None:
    id = place.submit(f"{COUNT}; sleep 60")
    place.job("delete", id, "--yes", code=4)
    assert place.json("list", "--active")["jobs"][-1]["job_id"] == id
    place.job("cancel", id)
    place.job("cancel", id, code=4)
    assert place.json("retry", id)["job"]["attempt"] == 2
    place.job("cancel", id)
    assert len(place.job("logs", id).splitlines()) >= 3
    assert json.loads(place.job("logs", id, "--json"))["lines"] == place.job("logs", id).splitlines()
    place.job("delete", id, "--yes")
    place.job("show", id, code=3)


@pytest.mark.parametrize("place", ["remote"], indirect=True)
def test_the_same_key_is_the_same_job_and_another_command_a_conflict(place: Place) -> None:
    id = place.submit("true", "--key", "one")
    assert place.submit("true", "--key", "one") == id
    place.job("submit", "--key", "one", "--", "false", code=4)


def test_jobs_elsewhere_are_found_looked_at_and_paid_for(place: Place) -> None:
    found = place.fake.add(status="processing", logs="step 1/4\n")
    synced = place.json("sync", "--provider", "replicate")
    assert (synced["synced"], synced["message"]) == (1, "Discovered 1 new job from Replicate")
    id = place.job("submit", "--on", "replicate", "--input", "prompt=a sash", "--input", "steps=10").strip()
    job = place.json("show", id)["job"]
    assert place.fake.objects[job["external_id"]]["input"] == {"prompt": "a sash", "steps": 10}
    for external in (found, job["external_id"]):
        place.fake.set(external, status="succeeded", metrics={"predict_time": 100})
    assert place.json("list", "--active", "--provider", "replicate", "--sync")["total"] == 0
    assert place.json("list", "--status", "completed", "--provider", "replicate")["total"] == 2
    assert place.json("cost")["by_provider"]["replicate"] == pytest.approx(2 * 100 * 0.000225)


@pytest.mark.parametrize("place", ["remote"], indirect=True)
def test_what_can_not_be_is_said_with_its_exit_code(place: Place) -> None:
    place.job("submit", "--on", "local", code=2)
    place.job("submit", "--on", "nowhere", "--", "true", code=3)
    place.job("submit", "--on", "hpc", "--", "true", code=2)
    place.job("submit", "--nodes", "2", "--", "true", code=2)
    place.job("submit", "python", "train.py", "--name", "whose", code=2)
    place.job("submit", "python", "train.py", "--lr", "0.1", code=2)
    over = place.submit("true")
    place.job("wait", over)
    place.job("retry", over, "--from", "CONTCAR", code=2)
    place.job("retry", place.submit("sleep 5"), code=4)
    place.job("delete", place.submit("true"), code=2)  # nobody can be asked
    place.fake.fail("/v1/predictions", 500)
    place.job("sync", code=5)
    place.fake.heal()


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_job_gets_the_variables_that_it_is_given(place: Place) -> None:
    id = place.submit("echo $GIVEN $TASUKI_JOB_ID", "--env", "GIVEN=a value")
    place.job("wait", id)
    assert place.job("logs", id) == f"a value {id}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_without_a_server_jobs_run_where_they_were_typed_and_outlive_the_command(folder: Path) -> None:
    (folder / "here").mkdir()
    submit = [*TASUKI, "job", "submit", "--", "sh", "-c", "sleep 0.5; pwd > said"]
    id = subprocess.run(
        submit, cwd=folder / "here", env=environment(folder), capture_output=True, check=True, text=True
    ).stdout.strip()
    eventually((folder / "here" / "said").exists)
    assert (folder / "here" / "said").read_text().strip() == str((folder / "here").resolve())
    assert tasuki(folder, "job", "wait", id).returncode == 0


def test_without_a_server_a_third_job_waits_until_there_is_room(folder: Path) -> None:
    go = folder / "go"
    ids = [
        tasuki(folder, "job", "submit", "--", "sh", "-c", f"while [ ! -e {go} ]; do sleep 0.05; done").stdout.strip()
        for _ in range(3)
    ]
    listed = json.loads(tasuki(folder, "job", "list", "--json").stdout)["jobs"]
    assert [(job["job_id"], job["status"]) for job in listed] == list(zip(ids, ["running", "running", "queued"], strict=True))
    go.touch()
    assert tasuki(folder, "job", "wait", ids[2]).returncode == 0


def test_a_terminal_gets_logs_that_do_not_steer_it(folder: Path) -> None:
    id = tasuki(folder, "job", "submit", "--", "sh", "-c", ESCAPES).stdout.strip()
    tasuki(folder, "job", "wait", id)
    assert "\x1b[31mred" in tasuki(folder, "job", "logs", id).stdout
    ours, theirs = pty.openpty()
    subprocess.run([*TASUKI, "job", "logs", id], env=environment(folder), stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.replace("\r\n", "\n") in {"red plain\n100%\n", "red plain\n10%\n100%\n"}


def test_a_shell_completes_ids_states_and_providers(folder: Path) -> None:
    id = tasuki(folder, "job", "submit", "--name", "otter", "--", "true").stdout.strip()

    def completed(line: str) -> list[str]:
        """What bash is given for the last word."""
        words = {"_TASUKI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        done = subprocess.run([sys.executable, "-m", "tasuki"], env=environment(folder, **words), capture_output=True, text=True)
        return done.stdout.split()

    assert completed(f"tasuki job show {id[:3]}") == [id]
    assert completed("tasuki job list --status c") == ["completed", "cancelled"]
    assert completed("tasuki job submit --on r") == ["replicate"]
