import os
from pathlib import Path

import msgspec
import pytest

from tasuki.journal import (
    JournalFileInfo,
    JournalFolder,
    JournalWriter,
    Liveness,
    identify_current_process,
    new_header,
    project_folder_name,
    seal,
)
from tests.support.journals import beginning, flip, journals, metrics, records_of, write_journal

ELSEWHERE = identify_current_process()._replace(boot="another")


def ids(found: list[JournalFileInfo]) -> list[str]:
    return [journal.header.writer for journal in found]


def test_an_empty_folder_and_one_that_is_not_there_have_no_journals(tmp_path: Path):
    assert list(JournalFolder(tmp_path).journals()) == []
    assert list(JournalFolder(tmp_path / "gone").journals()) == []
    assert list(JournalFolder(tmp_path).journals(project="p")) == []


def test_journals_are_found_with_their_size_and_state(tmp_path: Path):
    live = write_journal(tmp_path, [metrics(1)], writer="a")
    sealed = write_journal(tmp_path, [metrics(1)], writer="b")
    seal(sealed)
    found = list(JournalFolder(tmp_path).journals())
    size = live.stat().st_size - beginning(live)[1]
    assert [(journal.path, journal.size, journal.is_sealed) for journal in found] == [(live, size, False), (sealed, size, True)]


def test_journals_of_one_project_are_found_alone(tmp_path: Path):
    write_journal(tmp_path, [], project="one", writer="a")
    write_journal(tmp_path, [], project="One", writer="b")
    assert ids(list(JournalFolder(tmp_path).journals(project="One"))) == ["b"]


def test_known_journals_are_not_even_looked_at(tmp_path: Path):
    path = write_journal(tmp_path, [], writer="a")
    path.write_bytes(b"nonsense")
    write_journal(tmp_path, [], writer="b")
    assert ids(list(JournalFolder(tmp_path).journals(exclude={"a"}))) == ["b"]


def test_a_journal_is_looked_at_again_when_it_grew_or_was_sealed(tmp_path: Path):
    path = write_journal(tmp_path, [metrics(1)])
    folder = JournalFolder(tmp_path)
    (before,) = folder.journals()
    with path.open("ab") as file:
        file.write(b"more")
    (grown,) = folder.journals()
    assert grown.size == before.size + 4
    seal(path)
    (sealed,) = folder.journals()
    assert sealed.is_sealed
    assert sealed.size == before.size


def test_a_journal_is_found_by_its_writer(tmp_path: Path):
    path = write_journal(tmp_path, [], writer="a")
    found = JournalFolder(tmp_path).find("a")
    assert found is not None
    assert found.path == path
    assert JournalFolder(tmp_path).find("b") is None


def test_what_can_not_be_read_is_refused_with_a_reason_and_hides_nothing(tmp_path: Path):
    good = write_journal(tmp_path, [metrics(1)])
    foreign, newer, damaged = (good.with_name(f"{name}.tsk") for name in ("foreign", "newer", "damaged"))
    foreign.write_bytes(b"hello")
    newer.write_bytes(b"TASUKI\x09\x00" + bytes(100))
    damaged.write_bytes(good.read_bytes())
    flip(damaged, 40)
    folder = JournalFolder(tmp_path)
    assert [journal.path for journal in folder.journals()] == [good]
    reasons = {refused.path.stem: refused.reason for refused in folder.unreadable_journals()}
    assert reasons == {
        "damaged": f"the header of {damaged} is damaged",
        "foreign": f"{foreign} is not a tasuki journal",
        "newer": f"{newer} has format 9; this tasuki reads format 1",
    }


def test_tending_seals_what_the_dead_left_and_removes_their_locks_and_reserves(tmp_path: Path):
    path = write_journal(tmp_path, [metrics(1)])
    for suffix in (".lock", ".reserve"):
        path.with_suffix(suffix).touch()
    folder = JournalFolder(tmp_path)
    assert folder.seal_dead_writers() == [path.stem]
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [path]
    assert beginning(path)[0].is_sealed
    assert folder.seal_dead_writers() == []


@pytest.mark.parametrize("owner", [identify_current_process(), ELSEWHERE], ids=["alive", "unknown"])
def test_tending_leaves_the_journals_of_others_alone(owner, tmp_path: Path):
    path = write_journal(tmp_path, [metrics(1)], owner=owner)
    before = path.read_bytes()
    assert JournalFolder(tmp_path).seal_dead_writers() == []
    assert path.read_bytes() == before


def test_tending_goes_on_behind_a_journal_that_can_not_be_sealed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    first, second = (write_journal(tmp_path, [metrics(1)], project="p", writer=writer) for writer in ("a", "b"))
    first.with_suffix(".body").mkdir()  # where the draft would be written
    assert JournalFolder(tmp_path).seal_dead_writers() == [second.stem]
    assert "can't be sealed" in caplog.text


def test_tending_salvages(tmp_path: Path):
    path = write_journal(tmp_path, [metrics(n) for n in range(3)])
    flip(path, beginning(path)[1] + 10)
    folder = JournalFolder(tmp_path)
    folder.seal_dead_writers()
    assert records_of(path) == []
    assert len(journals(tmp_path)) == 2
    assert folder.damaged_files() == [path.with_suffix(".damaged")]


@pytest.mark.parametrize("suffix", [".draft", ".reserve", ".lock"])
def test_what_a_cut_opening_left_an_hour_ago_is_removed(suffix: str, tmp_path: Path):
    live = write_journal(tmp_path, [], owner=ELSEWHERE)
    old, new, of_a_live_one = (live.with_name(f"{stem}{suffix}") for stem in ("old", "new", live.stem))
    for path in (old, new, of_a_live_one):
        path.touch()
    for path in (old, of_a_live_one):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    JournalFolder(tmp_path).seal_dead_writers()
    assert not old.exists()
    assert new.exists()
    assert of_a_live_one.exists()


def test_a_lock_that_is_held_is_never_removed(tmp_path: Path):
    """The journal may lie on a volume that this folder does not show."""
    for folder in ("volume", "here/p"):
        (tmp_path / folder).mkdir(parents=True)
    writer = JournalWriter.create(new_header("p", "r", created=5), tmp_path / "volume", tmp_path / "here" / "p")
    os.utime(writer.lock_path, (1_000_000_000, 1_000_000_000))
    JournalFolder(tmp_path / "here").seal_dead_writers()
    assert writer.lock_path.exists()
    writer.release()


def test_locks_may_lie_in_another_folder(tmp_path: Path):
    path = write_journal(tmp_path / "volume", [metrics(1)])
    lock = tmp_path / "here" / project_folder_name("p") / f"{path.stem}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    folder = JournalFolder(tmp_path / "volume", tmp_path / "here")
    assert folder.lock_path(path) == lock
    assert folder.lock_folder("p") == lock.parent
    assert folder.seal_dead_writers() == [path.stem]
    assert not lock.exists()


def test_a_sealed_journal_is_over_wherever_its_owner_is(tmp_path: Path):
    path = write_journal(tmp_path, [], owner=ELSEWHERE)
    folder = JournalFolder(tmp_path)
    (journal,) = folder.journals()
    assert folder.check_liveness(journal) is Liveness.UNKNOWN
    seal(path)
    (journal,) = folder.journals()
    assert folder.check_liveness(journal) is Liveness.DEAD


def test_a_header_names_no_path_that_is_followed(tmp_path: Path):
    """Whatever a header claims, a journal's own name decides where anything is written."""
    path = write_journal(tmp_path / "journals", [metrics(n) for n in range(3)])
    header, body = beginning(path)
    evil = msgspec.structs.replace(header, writer="../../evil", project="../../evil", run="../../evil")
    path.write_bytes(evil.encode() + path.read_bytes()[body:])
    flip(path, len(evil.encode()) + 10)
    JournalFolder(tmp_path / "journals").seal_dead_writers()
    files = [entry for entry in tmp_path.rglob("*") if entry.is_file()]
    assert len(files) == 3  # the journal, what was saved, the damaged original
    assert {entry.parent for entry in files} == {path.parent}
