"""Locks on files: they exclude each other, and a file system without locks gives one error everywhere."""

import errno
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasuki.errors import LocksUnsupported
from tasuki.file_locks import acquire_file_lock, open_lock_file, try_file_lock, try_record_lock
from tasuki.importers.trackio.folder import create_work_folder, try_lock_folder
from tasuki.journal import try_writer_lock
from tasuki.notify import is_delivering
from tasuki.settings import load
from tasuki.store.generations import Generations

ALL = pytest.mark.parametrize("acquire", [try_file_lock, try_record_lock])
ELSEWHERE = """
import sys
from pathlib import Path
from tasuki import file_locks
print(getattr(file_locks, sys.argv[1])(Path(sys.argv[2])))
"""
Acquire = Callable[[Path], int | None]


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every lock fail with an error number."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@ALL
def test_another_process_does_not_get_a_lock_that_is_held(acquire: Acquire, tmp_path: Path):
    path = tmp_path / "lock"
    descriptor = acquire(path)
    assert descriptor is not None
    command = [sys.executable, "-c", ELSEWHERE, acquire.__name__, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "None\n"
    os.close(descriptor)
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout != "None\n"


def test_a_second_open_of_this_process_does_not_get_a_file_lock(tmp_path: Path):
    first = try_file_lock(tmp_path / "lock")
    assert first is not None
    before = open_descriptors()
    assert try_file_lock(tmp_path / "lock") is None
    assert open_descriptors() == before
    os.close(first)


@ALL
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_named(acquire: Acquire, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refuse_locks(monkeypatch, number)
    before = open_descriptors()
    with pytest.raises(LocksUnsupported) as caught:
        acquire(tmp_path / "lock")
    assert caught.value.message.startswith(f"cannot lock {tmp_path / 'lock'}: the file system does not support locks")
    assert os.strerror(number) in caught.value.message
    assert caught.value.hint
    assert open_descriptors() == before


@ALL
def test_any_other_error_is_passed_on(acquire: Acquire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refuse_locks(monkeypatch, errno.EIO)
    before = open_descriptors()
    with pytest.raises(OSError, match="Input/output error"):
        acquire(tmp_path / "lock")
    assert open_descriptors() == before


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path: Path):
    first, second = open_lock_file(tmp_path / "lock"), open_lock_file(tmp_path / "lock")
    assert acquire_file_lock(first, tmp_path / "lock")
    assert not acquire_file_lock(second, tmp_path / "lock")
    os.close(first)
    assert acquire_file_lock(second, tmp_path / "lock", wait=True)
    os.close(second)


# -- what the callers make of a file system without locks


def test_a_journal_is_recorded_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refuse_locks(monkeypatch, errno.ENOLCK)
    descriptor = try_writer_lock(tmp_path / "w.lock")
    assert descriptor is not None
    os.close(descriptor)


def test_a_store_is_not_built_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refuse_locks(monkeypatch, errno.ENOLCK)
    with pytest.raises(LocksUnsupported, match=r"store\.lock.*no data is lost"):
        Generations(tmp_path).get_or_create_current()


def test_whether_alerts_are_delivered_is_not_known_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = load(dir=str(tmp_path))
    assert not is_delivering(settings)
    refuse_locks(monkeypatch, errno.ENOLCK)
    with pytest.raises(LocksUnsupported, match=re.escape(str(tmp_path / "notify" / "lock"))):
        is_delivering(settings)


def test_copies_of_other_processes_stay_where_no_lock_shows_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refuse_locks(monkeypatch, errno.ENOLCK)
    left = tmp_path / "copies" / "left"
    left.mkdir(parents=True)
    with pytest.raises(LocksUnsupported, match="copies"):
        create_work_folder(tmp_path)
    assert left.exists()


def test_copies_of_dead_processes_are_removed_and_those_of_living_ones_stay(tmp_path: Path):
    dead, living = tmp_path / "copies" / "dead", tmp_path / "copies" / "living"
    dead.mkdir(parents=True)
    living.mkdir()
    held = try_lock_folder(living)
    assert held is not None
    _, ours = create_work_folder(tmp_path)
    assert not dead.exists()
    assert living.exists()
    for descriptor in (held, ours):
        os.close(descriptor)
