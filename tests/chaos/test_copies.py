"""Servers and data folders that come back from an older copy of themselves, or are used twice."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from tasuki.journal import JournalFolder
from tasuki.records import encode_frame, encode_metrics
from tests.support.acknowledged_calls import PROJECT, acknowledged
from tests.support.processes import Child, eventually
from tests.support.remote_server import Server, all_there, differences, records_at, records_in, sync_all
from tests.support.shell import tasuki
from tests.support.training_processes import AS_TOLD, ended, logged

# -- restored from an older copy


class Restorable:
    """A server's folder, and an older copy of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.copy = server.folder.with_name("copy")

    def keep(self) -> None:
        self.server.stop()
        shutil.copytree(self.server.folder, self.copy)
        self.server.start()

    def restore(self) -> None:
        self.server.kill_all()
        shutil.rmtree(self.server.folder)
        shutil.copytree(self.copy, self.server.folder)
        self.server.start()


@pytest.fixture
def restorable(server: Server) -> Restorable:
    return Restorable(server)


def test_a_server_restored_from_an_older_copy_heals_from_a_running_relay(restorable: Restorable, server: Server, tmp_path: Path):
    folder = tmp_path / "data"
    with Child(AS_TOLD, server.url, "before", folder) as before:
        lines = ended(before, 40)
    with Child(AS_TOLD, server.url, "running", folder) as running:
        logged(running, 50)
        eventually(lambda: records_at(server) == records_in(folder))
        restorable.keep()
        with Child(AS_TOLD, server.url, "after", folder) as after:
            lines += ended(after, 30)
        logged(running, 50)
        eventually(lambda: records_at(server) == records_in(folder))
        had = records_at(server)
        restorable.restore()
        assert records_at(server) < had - 50, "something was lost that there is to heal"
        logged(running, 1)
        eventually(lambda: records_at(server) == records_in(folder))
        lines += ended(running)
    assert differences(folder, server.url) == []
    all_there(server, acknowledged(lines))


def test_a_server_restored_from_an_older_copy_heals_by_sync_when_all_runs_have_ended(
    restorable: Restorable, server: Server, tmp_path: Path
):
    folder = tmp_path / "data"
    lines: list[str] = []
    for who in ("before", "after"):
        with Child(AS_TOLD, server.url, who, folder) as child:
            lines += ended(child, 40)
        if who == "before":
            restorable.keep()
    assert sync_all(folder, server.url).pending == 0, "now all that is here is known to be there"
    restorable.restore()
    missing = tasuki(folder, "verify", "--remote", server.url)
    assert missing.returncode == 6
    assert "missing there" in missing.stdout
    healed = tasuki(folder, "sync", "--to", server.url)
    assert healed.returncode == 0, healed.stderr
    assert differences(folder, server.url) == []
    all_there(server, acknowledged(lines))


def test_a_folder_restored_from_an_older_copy_is_reported_as_shorter_and_loses_nothing_more(server: Server, tmp_path: Path):
    folder, copy = tmp_path / "data", tmp_path / "copy"
    with Child(AS_TOLD, server.url, "lost", folder) as child:
        logged(child, 20)
        child.signal(signal.SIGSTOP)
        shutil.copytree(folder, copy)
        child.signal(signal.SIGCONT)
        logged(child, 20)
        eventually(lambda: records_at(server) == records_in(folder))
        child.kill_all()
        lines = list(child.lines)
    had = records_at(server)
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    found = tasuki(folder, "verify", "--remote", server.url)
    assert found.returncode == 6, "some of what was recorded is not where it was recorded"
    assert "source shorter" in found.stdout
    assert "nothing is missing there" in found.stderr
    assert "tasuki sync" not in found.stderr, "which could do nothing about it"
    with Child(AS_TOLD, server.url, "later", folder) as child:
        lines += ended(child, 20)
        assert child.expect("finished").endswith('"pending": 0}]')
    assert sync_all(folder, server.url).pending == 0
    assert records_at(server) == had + 22, "the later run, and nothing of the earlier one again"
    (shorter,) = differences(folder, server.url)
    assert shorter.description.startswith("source shorter")
    assert shorter.missing_records == 0
    all_there(server, acknowledged(lines))


# -- used twice


def test_a_cloned_folder_in_which_both_writers_go_on_comes_to_the_server_whole(server: Server, tmp_path: Path):
    """The clone of a process can't be had here: what it would append to its copy of the journal is appended from outside."""
    one, two = tmp_path / "one", tmp_path / "two"
    with Child(AS_TOLD, server.url, "main", one) as child:
        logged(child, 30)
        eventually(lambda: records_at(server) == records_in(one))
        common = records_at(server)
        child.signal(signal.SIGSTOP)
        shutil.copytree(one, two)
        child.signal(signal.SIGCONT)
        cloned = Clone(two)
        logged(child, 10)
        cloned.log(15)
        for round in range(2):
            assert sync_all(two, server.url).pending == 0
            logged(child, 10)
            cloned.log(7)
            eventually(lambda round=round: records_at(server) >= common + 10 * (round + 2) + 15 + 7 * round)
        child.kill_all()
        lines = list(child.lines)
    for folder in (one, two):
        assert sync_all(folder, server.url).pending == 0
    assert records_at(server) == records_in(one) + cloned.n
    for folder in (one, two):
        assert differences(folder, server.url) == []
    with server.caught_up() as query:
        (run,) = query.runs(PROJECT)
        values = [row.metrics for row in query.history(PROJECT, run.id)]
        ours = sorted(row["clone"] for row in values if "clone" in row)
        theirs = sorted(row["n/main"] for row in values if "n/main" in row)
    assert ours == list(range(1, cloned.n + 1))
    assert theirs == list(range(1, len(acknowledged(lines)) + 1))


class Clone:
    """The process that a cloned folder's journal would belong to."""

    def __init__(self, folder: Path) -> None:
        (journal,) = JournalFolder(folder / "journal").journals()
        self.path = journal.path
        self.n = 0

    def log(self, count: int) -> None:
        with self.path.open("ab", buffering=0) as file:
            for _ in range(count):
                self.n += 1
                file.write(encode_frame(encode_metrics(time.time_ns() // 1000, self.n, {"clone": self.n})))


def test_two_folders_cloned_from_one_and_used_at_once_bring_everything_once(server: Server, tmp_path: Path):
    """What a killed process left is there twice, and is taken up by the relays of both."""
    one, two = tmp_path / "one", tmp_path / "two"
    server.freeze()
    with Child(AS_TOLD, server.url, "left", one) as child:
        logged(child, 200)
        child.kill_all()
        lines = list(child.lines)
    server.thaw()
    shutil.copytree(one, two)
    with (
        Child(AS_TOLD, server.url, "in-one", one) as first,
        Child(AS_TOLD, server.url, "in-two", two) as second,
    ):
        for child in (first, second):
            child.tell("50")
        for child in (first, second):
            lines += ended(child, 50)
            assert child.expect("finished").endswith('"pending": 0}]')
    for folder in (one, two):
        assert differences(folder, server.url) == []
    all_there(server, acknowledged(lines))
