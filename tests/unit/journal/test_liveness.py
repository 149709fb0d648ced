from pathlib import Path

import pytest

from tasuki.journal import JournalWriter, Liveness, OwnerProcess, check_liveness, identify_current_process, new_header
from tasuki.journal.liveness import HELD_WRITERS, claim_dead_journal, writer_lock_path
from tests.support.journals import DEAD_OWNER, beginning, write_journal


def header_of(folder: Path, owner: OwnerProcess):
    """The header of a journal with that owner."""
    return beginning(write_journal(folder, [], owner=owner))[0]


def test_the_owner_itself_is_alive(tmp_path: Path):
    writer = JournalWriter.create(new_header("p", "r", created=5), tmp_path, tmp_path)
    assert check_liveness(writer.header, writer.lock_path) is Liveness.ALIVE
    writer.release()
    assert writer.header.writer not in HELD_WRITERS


def test_an_owner_whose_pid_somebody_else_has_is_dead(tmp_path: Path):
    assert check_liveness(header_of(tmp_path, DEAD_OWNER), tmp_path / "x.lock") is Liveness.DEAD


def test_an_owner_whose_pid_nobody_has_is_dead(tmp_path: Path):
    nobody = identify_current_process()._replace(pid=2**22 + 1)
    assert check_liveness(header_of(tmp_path, nobody), tmp_path / "x.lock") is Liveness.DEAD


@pytest.mark.parametrize(
    "elsewhere",
    [
        DEAD_OWNER._replace(boot="another"),
        DEAD_OWNER._replace(pid_namespace="pid:[1]"),
        DEAD_OWNER._replace(boot=""),
        DEAD_OWNER._replace(pid_namespace=""),
        OwnerProcess("", "", 0, 0),
    ],
    ids=["another boot", "another pid namespace", "no boot id", "no pid namespace", "nothing known"],
)
def test_an_owner_that_can_not_be_seen_from_here_is_unknown_and_not_claimed(elsewhere: OwnerProcess, tmp_path: Path):
    header = header_of(tmp_path, elsewhere)
    lock = tmp_path / "x.lock"
    lock.touch()
    assert check_liveness(header, lock) is Liveness.UNKNOWN
    with claim_dead_journal(header, lock) as claimed:
        assert not claimed


def test_an_owner_that_lives_without_a_lock_is_not_dead(tmp_path: Path):
    header = header_of(tmp_path, identify_current_process())
    assert check_liveness(header, tmp_path / "x.lock") is Liveness.UNKNOWN
    with claim_dead_journal(header, tmp_path / "x.lock") as claimed:
        assert not claimed


def test_a_dead_owners_journal_is_claimed_by_one_at_a_time(tmp_path: Path):
    header = header_of(tmp_path, DEAD_OWNER)
    with claim_dead_journal(header, tmp_path / "x.lock") as claimed:
        assert claimed


def test_what_this_process_holds_is_never_claimed(tmp_path: Path):
    writer = JournalWriter.create(new_header("p", "r", created=5), tmp_path, tmp_path)
    with claim_dead_journal(writer.header, writer.lock_path) as claimed:
        assert not claimed
    writer.release()


def test_a_dead_owners_journal_is_claimed_where_no_locks_were(tmp_path: Path):
    """The journals were copied, or another TASUKI_DIR keeps their locks."""
    header = header_of(tmp_path, DEAD_OWNER)
    with claim_dead_journal(header, writer_lock_path(tmp_path / "gone", header.writer)) as claimed:
        assert claimed
