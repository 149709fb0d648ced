"""What a person types: one login, then everything else."""

import hashlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster_control import Cluster, type_answers
from tests.cluster.test_results import ELK_INPUT
from tests.support.processes import eventually
from tests.support.shell import TASUKI, environment, tasuki


@pytest.fixture
def calc(tmp_path: Path) -> Path:
    folder = tmp_path / "calc"
    for name in ("one", "two words", "it's; echo foo"):
        (folder / name).mkdir(parents=True)
        (folder / name / "input").write_text(f"{name}\n")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """Every file, by its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


class Person:
    """Somebody with a data folder and a host."""

    def __init__(self, cluster: Cluster, folder: Path, kind: str) -> None:
        self.cluster = cluster
        self.folder = folder
        self.kind = kind
        self.calls = 0
        self.ok("hpc", "add", "bebop", f"--host={kind}", f"--ssh-config={cluster.config}", f"--root=$HOME/of {folder.parent.name}")

    @property
    def root(self) -> Path:
        """The agent's folder."""
        return self.cluster.home(self.kind) / f"of {self.folder.parent.name}"

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        self.calls += 1
        return tasuki(self.folder, *words)

    def ok(self, *words: str) -> str:
        done = self.type(*words)
        assert done.returncode == 0, done
        return done.stdout

    def login(self) -> str:
        self.calls += 1
        code, shown = type_answers([*TASUKI, "hpc", "login", "bebop"], self.cluster.answers(self.kind), **environment(self.folder))
        assert code == 0, shown
        return shown

    def sync(self, *words: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.ok("hpc", "sync", "bebop", *words))
        return found

    def jobs(self) -> dict[str, dict[str, object]]:
        return {str(job["config_name"]): job for job in self.listed()}

    def listed(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.ok("job", "list", "--on", "bebop", "--json"))["jobs"]
        return found

    def sync_until(self, status: str, count: int, *words: str) -> None:
        deadline = time.monotonic() + 60
        while sum(job["status"] == status for job in self.jobs().values()) < count:
            assert time.monotonic() < deadline, self.jobs()
            self.sync(*words)
            time.sleep(0.3)


@pytest.fixture(params=["otp", "pw", "behind"])
def person(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Person]:
    person = Person(cluster, tmp_path / "data", str(request.param))
    yield person
    tasuki(person.folder, "hpc", "logout", "bebop")


def test_twenty_commands_are_one_login(cluster: Cluster, person: Person, calc: Path) -> None:
    user = "otp" if person.kind == "behind" else person.kind
    before = cluster.authentications(user)
    refused = person.type("hpc", "sync", "bebop")
    assert (refused.returncode, "hint: tasuki hpc login bebop" in refused.stderr) == (5, True)
    assert cluster.authentications(user) == before
    person.ok("job", "submit", str(calc / "one"), "--on", "bebop", "--command", "true", "--name", "early")
    assert person.type("hpc", "sync", "bebop").returncode == 5
    early = person.jobs()["early"]
    assert early["status"] == "pending"  # nothing was begun
    person.ok("job", "cancel", str(early["job_id"]))
    person.ok("job", "delete", str(early["job_id"]), "--yes")
    person.login()
    folders = [str(path) for path in calc.iterdir()]
    for folder in folders:
        person.ok("job", "submit", folder, "--on", "bebop", "--command", "cat input; pwd >&2", "--walltime", "2m")
    assert person.sync()["uploaded"] == 3
    person.sync_until("completed", 3, "--download")
    for name, job in person.jobs().items():
        assert person.ok("job", "logs", str(job["job_id"]), "-f").startswith(f"{name}\n")
        person.ok("job", "fetch", str(job["job_id"]), "--include", "std*")
        assert (calc / name / "results/stdout.txt").read_text().startswith(f"{name}\n")
    person.ok("hpc", "status", "bebop")
    assert "ok" in person.ok("hpc", "doctor", "bebop")
    while person.calls < 21:
        person.sync()
    assert cluster.authentications(user) == before + 1


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_a_calculation_becomes_a_run_and_a_broken_one_says_why(cluster: Cluster, person: Person, tmp_path: Path) -> None:
    person.login()
    for name, text in (("al", ELK_INPUT), ("broken", ELK_INPUT.replace("2 2 2", "2 x 2"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "elk.in").write_text(text)
        (tmp_path / name / "job.toml").write_text('profile = "elk"\nwalltime = "5m"\nenv = { OMP_NUM_THREADS = "1" }\n')
    absent = person.type("job", "submit", str(tmp_path / "al"), str(tmp_path / "absent"), str(tmp_path / "broken"), "--on", "bebop")
    assert absent.returncode == 1
    assert f"error: Local job directory not found: {tmp_path / 'absent'}" in absent.stderr
    person.sync()
    person.sync_until("completed", 1, "--download")
    person.sync_until("failed", 1, "--download")
    jobs = person.jobs()
    assert "Problem occurred in 'ngridk' block" in str(jobs["broken"]["error_message"])
    (run,) = json.loads(person.ok("run", "list", "--project", "hpc", "--json"))["runs"]
    assert (run["name"], run["status"]) == ("al", "finished")
    assert run["last"]["energy"] == pytest.approx(-241.9434, abs=1e-3)
    assert run["points"] > 5
    id = str(jobs["broken"]["job_id"])
    (tmp_path / "broken/elk.in").write_text(ELK_INPUT)
    person.ok("job", "retry", id)
    person.sync()
    person.sync_until("completed", 2, "--download")
    assert person.jobs()["broken"]["attempt"] == 2


WRITES = """\
for n in 1 2 3 4; do
    echo "  -241.$n" >>TOTENERGY.OUT; echo "loop $n"
    while [ ! -e ../../go$n ]; do sleep 0.1; done
done
echo '| Elk stopped |' >INFO.OUT
"""


@pytest.mark.parametrize("person", ["otp"], indirect=True)
@pytest.mark.parametrize("looks", [("hpc", "sync", "bebop"), ("job", "list", "--sync")])
def test_a_run_and_a_log_grow_while_the_job_writes(person: Person, tmp_path: Path, looks: tuple[str, ...]) -> None:
    """Whether by a sync or by a look at the jobs; without a download. The job waits for the test to have seen each line."""
    (tmp_path / "al").mkdir()
    (tmp_path / "al/elk.in").write_text(ELK_INPUT)
    person.login()
    person.ok(
        "job", "submit", str(tmp_path / "al"), "--on", "bebop", "--profile", "elk", "--command", WRITES, "--project", "alloys"
    )
    person.sync()
    id = str(person.jobs()["al"]["job_id"])

    def shown() -> tuple[object, object]:
        person.ok(*looks)
        done = person.type("run", "list", "--project", "alloys", "--json")
        run = json.loads(done.stdout)["runs"][0] if done.returncode == 0 else {}
        return run.get("status"), run.get("points")

    for n in range(1, 5):
        eventually(lambda n=n: shown() == ("running", n))  # type: ignore[misc]
        assert person.ok("job", "logs", id).splitlines() == [f"loop {line}" for line in range(1, n + 1)]
        (person.root / f"go{n}").touch()
    eventually(lambda: shown() == ("finished", 4))
    job = person.jobs()["al"]
    assert (job["status"], job["run_id"]) == ("completed", id)
    (run,) = json.loads(person.ok("run", "list", "--project", "alloys", "--json"))["runs"]
    assert (run["id"], run["last"]["energy"]) == (id, -241.4)
    assert person.ok("job", "logs", id, "-f").splitlines() == [f"loop {n}" for n in range(1, 5)]
    assert not (tmp_path / "al/results").exists()


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_without_a_login_it_is_said_why_nothing_new_comes(person: Person, calc: Path) -> None:
    person.login()
    person.ok("job", "submit", str(calc / "one"), "--on", "bebop", "--command", "echo begun; sleep 60")
    id = str(person.jobs()["one"]["job_id"])
    assert "tasuki hpc sync bebop" in person.type("job", "logs", id).stderr
    person.sync_until("running", 1)
    eventually(lambda: person.ok("job", "logs", id) == "begun\n")
    person.ok("hpc", "logout", "bebop")
    shown = person.type("job", "logs", id)
    assert (shown.returncode, shown.stdout) == (0, "begun\n")
    assert "tasuki hpc login bebop" in shown.stderr
    assert "next: tasuki hpc sync bebop" in person.type("job", "cancel", id).stderr.replace("by the next", "next")
    assert "is not over" not in person.type("job", "list").stderr
    assert "1 jobs at bebop are not over" in person.type("hpc", "remove", "bebop").stderr
    assert person.type("job", "list", "--on", "bebop").returncode == 3
    person.ok("job", "list", "--sync")
    assert json.loads(person.ok("job", "show", id, "--json"))["job"]["status"] == "running"  # it may go on


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_an_attempt_that_the_agent_begins_is_seen_by_all(person: Person, calc: Path) -> None:
    """By a look at the jobs alone: the log and the status are the second attempt's."""
    person.login()
    lost = "echo $PPID; [ -e once ] || { : >once; kill -9 $PPID; sleep 600; }; echo again"
    person.ok("job", "submit", str(calc / "one"), "--on", "bebop", "--command", lost)
    sites = person.folder / "hpc.yaml"
    sites.write_text(sites.read_text() + "  grace_seconds: 2\n")
    person.sync()
    id = str(person.jobs()["one"]["job_id"])
    deadline = time.monotonic() + 60
    while (job := person.jobs()["one"])["status"] != "completed":
        assert time.monotonic() < deadline, job
        person.cluster.as_user("otp", f"cd '{person.root}' && sh agent.sh trigger")
        person.ok("job", "list", "--sync")
    assert job["attempt"] == 2
    assert person.ok("job", "logs", id).splitlines()[-1] == "again"


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_a_job_goes_on_from_an_output_of_its_last_attempt(cluster: Cluster, person: Person, tmp_path: Path) -> None:
    (tmp_path / "fe").mkdir()
    (tmp_path / "fe/elk.in").write_text(ELK_INPUT)
    person.login()
    stops = "[ -e STATE.OUT ] && cp STATE.OUT was; echo state >STATE.OUT; echo '| Elk stopped |' >INFO.OUT; [ -e was ]"
    person.ok("job", "submit", str(tmp_path / "fe"), "--on", "bebop", "--profile", "elk", "--command", stops)
    person.sync_until("failed", 1)
    id = str(person.jobs()["fe"]["job_id"])
    refused = person.type("job", "retry", id, "--from", "CONTCAR")
    assert (refused.returncode, "there is STATE.OUT" in refused.stderr) == (2, True)
    person.ok("job", "retry", id, "--from", "STATE.OUT")
    assert person.type("job", "retry", id).returncode == 4
    person.sync_until("completed", 1, "--download")
    assert person.jobs()["fe"]["attempt"] == 2
    person.ok("job", "fetch", id, "--include", "was")
    assert (tmp_path / "fe/results/was").read_text() == "state\n"


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_a_job_is_cancelled_here_or_there(person: Person, calc: Path) -> None:
    person.login()
    for name in ("one", "two words"):
        person.ok("job", "submit", str(calc / name), "--on", "bebop", "--command", "sleep 60")
        if name == "one":
            person.sync()
            person.sync_until("running", 1)
    for job in person.jobs().values():
        person.ok("job", "cancel", str(job["job_id"]))
    person.sync_until("cancelled", 2)
    assert person.type("job", "cancel", str(person.jobs()["one"]["job_id"])).returncode == 4


def test_a_dry_run_changes_nothing_and_needs_no_host(tmp_path: Path, calc: Path) -> None:
    folder = tmp_path / "data"
    tasuki(folder, "hpc", "add", "bebop", "--host", "no such host", "--scheduler", "slurm")
    tasuki(folder, "job", "submit", str(calc / "one"), "--on", "bebop", "--command", "run 'a b'", "--env", "KEY=a secret")
    assert "secret" not in tasuki(folder, "job", "list", "--json").stdout
    before = tree(tmp_path)
    done = tasuki(
        folder, "job", "submit", str(calc / "two words"), "--on", "bebop", "--command", "run 'a b'", "--walltime", "2h", "--dry-run"
    )
    assert done.returncode == 0, done
    assert "#SBATCH --time=02:00:00" in done.stdout
    assert "run 'a b'" in done.stdout
    assert "sbatch --parsable" in done.stdout
    done = tasuki(folder, "hpc", "sync", "bebop", "--dry-run")
    assert done.returncode == 0, done
    assert "export KEY='a secret'" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) | {"timestamp": ""} == {
        "uploaded": 1, "submitted": 0, "completed": 0, "failed": 0, "timestamp": "",
    }  # fmt: skip
    assert tree(tmp_path) == before


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_a_dry_run_changes_nothing_at_a_host_where_somebody_is_logged_in(cluster: Cluster, person: Person, calc: Path) -> None:
    person.login()
    person.ok("job", "submit", str(calc / "one"), "--on", "bebop", "--command", "true")
    person.sync_until("completed", 1)
    person.ok("job", "submit", str(calc / "two words"), "--on", "bebop", "--command", "true")
    before = tree(person.folder), tree(cluster.home("otp"))
    assert '"uploaded": 1' in person.ok("hpc", "sync", "bebop", "--dry-run")
    person.ok("job", "submit", str(calc / "two words"), "--on", "bebop", "--command", "true", "--dry-run")
    assert (tree(person.folder), tree(cluster.home("otp"))) == before


# -- from Python


SYNC = """
import json, sys, tasuki
config = None if len(sys.argv) < 3 else tasuki.hpc.SyncConfig(remote_host=sys.argv[2], chasqui_remote_dir="$HOME/chasqui_remote")
print(json.dumps(tasuki.hpc.sync(sys.argv[1], dry_run=len(sys.argv) < 3, config=config)))
"""


def python_sync(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", SYNC, *arguments]
    return subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=60)


def test_sync_from_python_has_its_five_answers_without_a_host(tmp_path: Path) -> None:
    done = python_sync(tmp_path / "data", str(tmp_path / "no.db"))
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert list(found) == ["uploaded", "submitted", "completed", "failed", "timestamp"]
    assert found["timestamp"].endswith("Z")
    assert not (tmp_path / "data").exists()


def chasqui(path: Path, calc: Path, old: str = "chas_1") -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE jobs (job_id TEXT, local_path TEXT, vasp_config TEXT, state TEXT, note TEXT)")
    database.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?, ?)", [
        ("new_1", str(calc / "one"), '{"nodes": 1, "walltime": "5m", "command": "cat POSCAR"}', "QUEUED_LOCAL", "mine"),
        (old, str(calc / "two words"), None, "SUBMITTED", None),
        ("gone", str(calc / "two words"), "{}", "COMPLETED", None),
    ])  # fmt: skip
    database.commit()
    database.close()


@pytest.mark.parametrize("person", ["otp"], indirect=True)
def test_jobs_of_chasqui_are_taken_over_once_and_go_on(cluster: Cluster, person: Person, calc: Path, tmp_path: Path) -> None:
    (calc / "one/POSCAR").write_text("Al\n")
    chasqui(tmp_path / "jobs.db", calc)
    person.login()
    flags = cluster.home("otp") / "chasqui_remote/completed"
    done = python_sync(person.folder, str(tmp_path / "jobs.db"), "bebop")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["uploaded"] == 1
    assert person.jobs()["one"]["status"] in ("queued", "running", "completed")
    (flags / "chas_1.flag").write_text("DONE\n77.pbs\n")
    deadline = time.monotonic() + 60
    while sorted(str(job["status"]) for job in person.listed()) != ["completed", "completed", "failed"]:
        assert time.monotonic() < deadline, person.jobs()
        assert python_sync(person.folder, str(tmp_path / "jobs.db"), "bebop").returncode == 0
    jobs = person.listed()
    assert len(jobs) == 3
    assert "OUTCAR" in next(str(job["error_message"]) for job in jobs if job["config_name"] == "one")


def test_a_database_of_another_kind_is_refused_with_its_columns(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "other.db")
    database.execute("CREATE TABLE things (id INTEGER, label TEXT)")
    database.close()
    done = python_sync(tmp_path / "data", str(tmp_path / "other.db"))
    assert done.returncode == 1
    assert "things: id, label" in done.stderr
