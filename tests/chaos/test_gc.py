"""`tasuki gc` removes nothing that the server does not have, and loses nothing when it is killed."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tasuki.settings import load
from tasuki.store import LocalStore
from tests.support.journals import DEAD_OWNER, journals, metrics, write_journal
from tests.support.processes import Child
from tests.support.remote_server import Server, differences, records_at, records_in, sync_all
from tests.support.shell import TASUKI, environment, python, tasuki
from tests.support.soak import SOAK

pytestmark = pytest.mark.chaos

AT_ONCE = {"TASUKI_RETENTION_DAYS": "0"}
LOGGING = """
import sys, tasuki
run = tasuki.init(project="p", id="alive", dir=sys.argv[1])
run.log({"loss": 1.0})
print("logged", flush=True)
sys.stdin.readline()
"""


def record(folder: Path, runs: int) -> None:
    """Runs of processes that are gone."""
    for n in range(runs):
        write_journal(folder / "journal", [metrics(step) for step in range(20)], run=f"r{n}", owner=DEAD_OWNER)


def runs_here(folder: Path) -> set[str]:
    with LocalStore(load(dir=str(folder))) as store:
        return {row.id for project in store.projects() for row in store.runs(project.name)}


def test_what_the_server_has_goes_after_the_retention_and_not_before(tmp_path: Path):
    with Server(tmp_path / "server") as server:
        record(tmp_path / "client", 3)
        sync_all(tmp_path / "client", server.url)
        kept = tasuki(tmp_path / "client", "gc", "--remote", server.url)
        assert (kept.returncode, len(journals(tmp_path / "client"))) == (0, 3), kept.stderr
        dry = tasuki(tmp_path / "client", "gc", "--dry-run", "--remote", server.url, **AT_ONCE)
        assert "3 runs" in dry.stderr
        assert len(journals(tmp_path / "client")) == 3
        assert tasuki(tmp_path / "client", "gc", "--remote", server.url, **AT_ONCE).returncode == 0
        assert journals(tmp_path / "client") == []
        assert runs_here(tmp_path / "client") == set()
        assert records_at(server) == 60
        assert tasuki(tmp_path / "client", "verify").returncode == 0


def test_what_is_alive_not_sent_or_dropped_there_stays(tmp_path: Path):
    client = tmp_path / "client"
    with Server(tmp_path / "server") as server, Child(LOGGING, client) as child:
        child.expect("logged")
        record(client, 2)
        sync_all(client, server.url)
        write_journal(client / "journal", [metrics(1)], run="unsent")
        write_journal(client / "journal", [metrics(2)], run="r0")  # of a run whose other journal was sent
        python(client, f"import httpx; httpx.post('{server.url}/api/v1/purge?project=p&run=r1').raise_for_status()")
        done = tasuki(client, "gc", "--remote", server.url, **AT_ONCE)
        assert (done.returncode, done.stderr) == (0, "0 runs, 0 bytes are gone\n")
        assert runs_here(client) == {"alive", "unsent", "r0", "r1"}


def test_nothing_goes_without_a_server_or_while_it_is_down(tmp_path: Path):
    with Server(tmp_path / "server") as server:
        record(tmp_path / "client", 2)
        sync_all(tmp_path / "client", server.url)
    assert tasuki(tmp_path / "client", "gc", **AT_ONCE).returncode == 2
    assert tasuki(tmp_path / "client", "gc", "--remote", server.url, **AT_ONCE).returncode == 5
    assert len(journals(tmp_path / "client")) == 2


def test_a_gc_that_is_killed_anywhere_loses_nothing_and_the_next_one_finishes(tmp_path: Path):
    client, runs = tmp_path / "client", 400
    chance = random.Random() if SOAK else random.Random(7)
    with Server(tmp_path / "server") as server:
        record(client, runs)
        assert sync_all(client, server.url).pending == 0
        total = records_at(server)
        command = [*TASUKI, "gc", "--remote", server.url]
        cut_short = 0
        for _ in range(40 if SOAK else 8):
            process = subprocess.Popen(
                command, env=environment(client, **AT_ONCE), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            before = len(journals(client))
            while process.poll() is None and len(journals(client)) == before:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.01))
            process.kill()
            process.wait()
            cut_short += 0 < len(journals(client)) < runs
            assert records_at(server) == total
            assert records_in(client) == 20 * len(journals(client))
        assert cut_short
        assert tasuki(client, "gc", "--remote", server.url, **AT_ONCE).returncode == 0
        assert journals(client) == []
        assert runs_here(client) == set()
        assert tasuki(client, "verify").returncode == 0
        with server.caught_up() as query:
            assert len(query.runs("p")) == runs


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_gc_killed_between_two_journals_of_a_run_loses_nothing(count: int, tmp_path: Path):
    client = tmp_path / "client"
    for _ in range(2):
        record(client, 2)
    with Server(tmp_path / "server") as server:
        sync_all(client, server.url)
        total = records_at(server)
        killed = tasuki(client, "gc", "--remote", server.url, TASUKI_FAILPOINTS=f"gc.after_unlink=kill:{count}", **AT_ONCE)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert len(journals(client)) == 4 - count
        assert sync_all(client, server.url).pending == 0
        assert differences(client, server.url) == []
        assert tasuki(client, "gc", "--remote", server.url, **AT_ONCE).returncode == 0
        assert journals(client) == []
        assert records_at(server) == total == 80
