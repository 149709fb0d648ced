import stat
from pathlib import Path

import pytest

from tasuki.relay import RemoteHealth, RemoteStatusFile, list_remote_statuses
from tasuki.testing import FakeClock

REMOTE = "http://127.0.0.1:9"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def standing(tmp_path: Path, clock: FakeClock) -> RemoteStatusFile:
    return RemoteStatusFile(tmp_path, REMOTE, clock=clock)


def test_another_process_sees_how_it_stands(tmp_path: Path, standing: RemoteStatusFile, clock: FakeClock):
    standing.record_success(RemoteHealth.OK, has_answered=True, restarts=2)
    (found,) = list_remote_statuses(tmp_path)
    assert (found.remote, found.health, found.last_success, found.restarts) == (REMOTE, RemoteHealth.OK, clock.now_us(), 2)
    standing.record_failure(RemoteHealth.BACKING_OFF, "down", 3)
    (found,) = list_remote_statuses(tmp_path)
    assert (found.health, found.last_error, found.attempts) == (RemoteHealth.BACKING_OFF, "down", 3)


def test_success_after_success_is_written_every_ten_seconds(tmp_path: Path, standing: RemoteStatusFile, clock: FakeClock):
    standing.record_success(RemoteHealth.OK, has_answered=True)
    first = clock.now_us()
    clock.sleep(5)
    standing.record_success(RemoteHealth.OK, has_answered=True)
    assert list_remote_statuses(tmp_path)[0].last_success == first
    clock.sleep(6)
    standing.record_success(RemoteHealth.OK, has_answered=True)
    assert list_remote_statuses(tmp_path)[0].last_success == clock.now_us()


def test_what_pauses_is_said_once_for_each_reason_in_a_private_file_without_the_key(tmp_path: Path, standing: RemoteStatusFile):
    for _ in range(3):
        standing.record_failure(RemoteHealth.PAUSED, "401: s3cret is no key", 1, secret="s3cret")
    standing.record_failure(RemoteHealth.PAUSED, "403", 2)
    path = tmp_path / "sync-errors.log"
    lines = path.read_text().splitlines()
    assert [line.split(REMOTE)[1] for line in lines] == [" 401: *** is no key", " 403"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_backlog_is_told_of_above_1000_and_again_below_800(tmp_path: Path, standing: RemoteStatusFile):
    for pending in (1000, 1001, 5000, 900, 1200, 799, 900, 1000, 1001, 0):
        standing.record_pending(pending)
        (found,) = list_remote_statuses(tmp_path)
        assert found.pending == pending
    told = (tmp_path / "alerts.log").read_text().splitlines()
    assert [line.split(REMOTE)[1].split()[0] for line in told] == ["1001", "799", "1001", "0"]


def test_a_folder_that_can_not_be_written_stops_nobody(tmp_path: Path, clock: FakeClock):
    (tmp_path / "file").write_text("")
    standing = RemoteStatusFile(tmp_path / "file", REMOTE, clock=clock)
    standing.record_success(RemoteHealth.OK, has_answered=True)
    standing.record_failure(RemoteHealth.PAUSED, "401", 1)
    assert standing.status.health is RemoteHealth.PAUSED
