"""The store of a folder: who reads, projects."""

import apsw
import msgspec
import pytest

from tasuki.errors import ConfigError, StoreCorrupt
from tasuki.journal import JournalFolder
from tasuki.records import Heartbeat, RunStarted, RunStatus, Status, encode, encode_frame
from tasuki.sdk import init
from tasuki.settings import load
from tasuki.store import AttemptOutcome, Queries, catch_up, connect_projection, dump, open_folder_store
from tasuki.store.generations import Generations
from tasuki.store.schema import SCHEMA
from tasuki.testing import FakeClock
from tests.support.sent_streams import Sent


@pytest.fixture
def folder(tmp_path):
    with init("p", "one", id="one", dir=str(tmp_path)) as run:
        for step in range(50):
            run.log({"x": step})
    return tmp_path


@pytest.fixture
def store(folder):
    store = open_folder_store(load(dir=str(folder)))
    yield store
    store.close()


def journal_of(folder):
    return next(iter((folder / "journal").glob("*/*.tsk")))


def test_finishing_and_then_reading_never_shows_less(store, folder):
    for number in range(20):
        with init("p", id=f"run{number}", dir=str(folder)) as run:
            run.log({"x": number})
        assert len(store.runs("p")) == number + 2


def test_a_store_that_somebody_else_locks_is_answered_from_within_the_wait_with_what_is_missing(folder):
    store = open_folder_store(load(dir=str(folder)), wait_seconds=0.05)
    store.runs("p")
    with init("p", "two", dir=str(folder)) as run:
        run.log({"x": 1})
        other = apsw.Connection(str(store.path))
        other.execute("BEGIN IMMEDIATE")
        assert len(store.runs("p")) == 1
        assert store.missing == 2
        other.execute("ROLLBACK")
        other.close()
        assert len(store.runs("p")) == 2
        assert store.missing == 0
    store.close()


def test_a_rebuild_says_the_same_under_a_new_number_and_the_old_file_goes(store):
    store.runs("p")
    before, content = store.path, store.run_in_read_transaction(dump)
    report = store.rebuild()
    assert report.records == 52
    assert len(store.history("p", "one")) == 50
    assert store.path.name == report.generation != before.name
    assert store.run_in_read_transaction(dump) == content
    assert not before.exists()


def test_readers_that_were_open_go_on_in_the_new_generation(store, folder):
    reader = open_folder_store(load(dir=str(folder)))
    assert len(reader.runs("p")) == 1
    store.rebuild()
    with init("p", "two", dir=str(folder)) as run:
        run.log({"x": 1})
    assert len(reader.runs("p")) == 2
    reader.close()


def test_a_store_of_another_schema_is_left_alone_and_ours_is_built_beside_it(store):
    store.runs("p")
    foreign = store.path
    store.close()
    with apsw.Connection(str(foreign)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    db.close()
    content = foreign.read_bytes()
    assert len(store.history("p", "one")) == 50
    assert store.path != foreign
    assert foreign.read_bytes() == content


def test_two_schemas_share_a_folder_without_a_quarrel(store):
    store.runs("p")
    generations = Generations(store.path.parent)
    (store.path.parent / "store").write_bytes(msgspec.json.encode(generations.read_pointer() | {"99": "store.77.db"}))
    store.rebuild()
    assert generations.read_pointer()["99"] == "store.77.db"
    assert store.rebuild().generation == "store.79.db"


def test_a_file_that_is_no_database_is_damage(tmp_path):
    path = tmp_path / "store.1.db"
    path.write_bytes(b"not a database, by far" * 100)
    with pytest.raises(StoreCorrupt):
        connect_projection(path)


def test_sql_reads_and_does_nothing_else(store):
    columns, rows = store.sql("SELECT id, points FROM run")
    assert (columns, rows) == (["id", "points"], [("one", 50)])
    assert store.sql("SELECT id FROM run WHERE 0") == (["id"], [])
    for statement in ("DELETE FROM run", "ATTACH '/etc/passwd' AS x", "PRAGMA user_version", "SELEC", "CREATE TABLE x (y)"):
        with pytest.raises(ConfigError):
            store.sql(statement)
    assert len(store.sql("SELECT 1 FROM run, summary, writer", limit_rows=0)[1]) == 0


def test_verify_finds_nothing_where_nothing_is_wrong(store):
    report = store.verify()
    assert (report.writers, report.records, report.problems) == (1, 52, [])


def test_verify_finds_a_projection_that_says_something_else(store):
    store.runs("p")
    with apsw.Connection(str(store.path)) as db:
        db.execute("UPDATE summary SET last = 7; UPDATE run SET name = 'other'")
    db.close()
    (problem,) = store.verify().problems
    assert (problem.project, problem.run) == ("p", "one")
    assert "summaries" in problem.description
    assert "row" in problem.description


def test_verify_finds_a_flipped_byte_in_a_sealed_journal(store, folder):
    store.runs("p")
    journal = journal_of(folder)
    content = bytearray(journal.read_bytes())
    content[-20] ^= 1
    journal.write_bytes(content)
    problems = store.verify().problems
    assert {problem.writer for problem in problems if problem.writer} == {journal.stem}
    assert any("damaged" in problem.description for problem in problems)


def test_verify_names_files_that_are_no_journals(store, folder):
    (journal_of(folder).parent / "foreign.tsk").write_bytes(b"hello")
    assert any("foreign.tsk" in problem.description for problem in store.verify().problems)


def test_an_attempt_of_a_silent_host_is_crashed_after_a_minute_and_running_again_with_its_next_record(folder):
    clock = FakeClock()
    project = JournalFolder(folder / "journal").project_folder("p")
    header = msgspec.structs.replace(
        JournalFolder(folder / "journal").inspect_file(journal_of(folder)).header, writer="f" * 32, run="far"
    )
    header = msgspec.structs.replace(header, boot="another", end=None, end_crc=None, sha256=None, blocks=[])
    started = encode_frame(encode(RunStarted(time=clock.us, attempt="a")))
    (project / f"{'f' * 32}.tsk").write_bytes(header.encode() + started)
    store = open_folder_store(load(dir=str(folder)))
    store.clock = clock
    assert store.run("p", "far").status is Status.RUNNING
    clock.sleep(61)
    assert store.run("p", "far").status is Status.CRASHED
    with (project / f"{'f' * 32}.tsk").open("ab") as file:
        file.write(encode_frame(encode(Heartbeat(time=clock.us))))
    assert store.run("p", "far").status is Status.RUNNING
    store.close()


def test_the_condition_counts_what_there_is(store):
    found = store.folder_status()
    assert (found.projects, found.runs, found.journals, found.sealed, found.alive, found.dead) == (1, 1, 1, 1, 0, 0)
    assert (found.holes, found.damaged, found.refused, found.missing_records) == ([], [], [], 0)


@pytest.mark.parametrize("says_so", [False, True])
@pytest.mark.parametrize(("minutes", "status"), [(9, Status.RUNNING), (11, Status.FINISHED)])
def test_a_run_of_another_tracker_that_has_fallen_silent_is_taken_for_finished(minutes, status, says_so):
    """Whether the tracker has once said that it runs, or not."""
    clock, source, db = FakeClock(), Sent(), connect_projection(":memory:")
    source.send([RunStarted(time=clock.now_us(), attempt="one", environment={"tracker": "trackio"})])
    if says_so:
        source.send([RunStatus(time=clock.now_us(), attempt="one", status=Status.RUNNING)])
    catch_up(db, source)
    clock.sleep(60 * minutes)
    silent = {True: AttemptOutcome.SILENT, False: AttemptOutcome.RUNNING}
    queries = Queries(db, lambda streams, silent_us: silent[clock.now_us() - streams[0].clock > silent_us])
    row = queries.run("p", "r")
    assert row.status is status
    assert (row.reason or "").startswith("trackio does not say") is (status is Status.FINISHED)
