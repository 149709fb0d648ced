import pytest

from tasuki.errors import ConfigError, NotFound
from tasuki.journal import Appender, JournalFolder
from tasuki.records import RunDeleted, RunEdit, RunStarted, RunStatus, RunUpdated, Status, encode, encode_metrics
from tasuki.sdk import init
from tasuki.settings import load
from tasuki.store import LocalStore, build_deletion, build_update, compute_edit_time, open_folder_store
from tasuki.testing import FakeClock

BEGAN = 1_800_000_000_000_000


@pytest.fixture
def store(tmp_path):
    settings = load(dir=str(tmp_path))
    with open_folder_store(settings) as store:
        place, locks = store.folder.project_folder("p"), store.folder.lock_folder("p")
        started = RunStarted(time=BEGAN, attempt="one", name="one", tags=["a"])
        appender = Appender(
            project="p",
            run="r",
            folder=place,
            lock_folder=locks,
            opening_payloads=lambda: [encode(started)],
            remote="http://server",
        )
        appender.open()
        appender.append(encode_metrics(BEGAN + 1, 0, {"x": 1.0}))
        appender.append(encode(RunStatus(time=BEGAN + 2, attempt="one", status=Status.FINISHED)))
        appender.close()
        yield store


def journals(store: LocalStore):
    return list(JournalFolder(store.folder.root).journals())


def test_an_edit_is_later_than_what_its_author_knew_whatever_the_clocks_say(store, tmp_path):
    row = store.run("p", "r")
    slow = LocalStore(load(dir=str(tmp_path)), clock=FakeClock(row.updated - 3_600_000_000))
    for name in ("two", "three"):
        assert slow.edit("p", "r", RunEdit(name=name)).name == name
    assert slow.run("p", "r").updated == row.updated + 2
    slow.close()


def test_an_edit_is_a_sealed_stream_of_its_run_for_the_runs_remote(store):
    (before,) = journals(store)
    store.edit("p", "r", RunEdit(tags_added=["b"]))
    (edit,) = [journal for journal in journals(store) if journal.header.writer != before.header.writer]
    assert (edit.header.run, edit.is_sealed, edit.header.remote) == ("r", True, before.header.remote)
    assert not list(store.folder.root.glob("*/*.lock"))


def test_an_edit_does_not_change_what_is_known_of_the_attempt(store):
    before = store.run("p", "r")
    after = store.edit("p", "r", RunEdit(notes="n"))
    assert (after.status, after.attempt, after.ended, after.points) == (before.status, 1, before.ended, before.points)


def test_what_a_running_process_logs_after_its_run_was_deleted_is_not_shown(tmp_path):
    with init("p", "one", id="r", dir=str(tmp_path)) as run, open_folder_store(load(dir=str(tmp_path))) as store:
        run.log({"x": 1})
        store.delete("p", "r")
        run.log({"x": 2})
        with pytest.raises(NotFound):
            store.run("p", "r")


def test_a_change_is_the_record_of_it():
    assert build_update(RunEdit(name="x", tags_removed=["t"]))(5) == RunUpdated(time=5, name="x", tags_removed=["t"])
    assert build_deletion()(5) == RunDeleted(time=5)


def test_a_change_that_is_too_long_is_refused(store):
    with pytest.raises(ConfigError, match="are the most"):
        store.edit("p", "r", RunEdit(notes="x" * 2_000_000))


def test_now_counts_where_it_is_later(store):
    row = store.run("p", "r")
    assert compute_edit_time(row, FakeClock(row.updated + 7)) == row.updated + 7
