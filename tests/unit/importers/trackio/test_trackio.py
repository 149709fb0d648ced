"""What is made of trackio's files: databases of every released schema, and its inbox."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasuki.errors import DataError
from tasuki.importers.trackio.folder import TrackioFolder
from tasuki.importers.trackio.inbox import InboxFile, read_lines
from tasuki.importers.trackio.row_mapping import (
    build_alert_frame,
    build_config_frame,
    build_metrics_frame,
    build_started_frame,
    map_project_name,
    map_run_id,
    parse_time_us,
)
from tasuki.importers.trackio.sender import TrackioSender
from tasuki.records import AlertLevel
from tests.support.trackio_databases import VERSIONS, Wire, database, fragment, log, metric, opened

Bring = Callable[..., TrackioSender]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "volume").mkdir()
    return tmp_path / "volume"


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def bringer(folder: Path, wire: Wire, tmp_path: Path) -> Iterator[Bring]:
    """Makes a reader that knows nothing of those before it; with `state`, what one that was restarted still has."""
    made: list[TrackioFolder] = []

    def make(state: str = "state") -> TrackioSender:
        made.append(TrackioFolder(folder, tmp_path / state, destination="here"))
        return TrackioSender(made[-1], wire)

    yield make
    for one in made:
        one.close()


def brought(bringer: TrackioSender) -> dict[str, int]:
    """One round, in which nothing goes wrong."""
    found = list(bringer.run_round())
    assert [one.error for one in found if one.error] == []
    return {one.project: one.records for one in found}


def errors(bringer: TrackioSender) -> dict[str, str]:
    """What goes wrong in a round."""
    return {one.project: str(one.error) for one in bringer.run_round() if one.error}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_released_schema_is_read(version: str, folder: Path, wire: Wire, bringer: Bring) -> None:
    database(folder, version=version)
    brought(bringer())
    runs = wire.store.runs("seen")
    assert sorted(run.name for run in runs) == ["first", "second"]
    has_system, has_alerts = version not in {"0.4.0", "0.9.1"}, version not in {"0.4.0", "0.9.1", "0.15.0"}
    for run in runs:
        logged = [row for row in wire.store.history("seen", run.id) if "loss" in row.metrics]
        assert [(row.step, row.metrics["loss"], row.metrics["deep/er"]) for row in logged] == [
            (0, 1, 2.5),
            (1, 1 / 2, 2.5),
            (2, 1 / 3, 2.5),
        ]
        assert [str(row.metrics["odd"]) for row in logged] == ["nan"] * 3
        assert all(row.time > 1_700_000_000_000_000 for row in logged)
        expected = {"lr": 0.1, "layers": [1, 2], "long": {"name": run.name}}
        assert run.config == expected or version == "0.4.0"
        system = [row.metrics for row in wire.store.history("seen", run.id) if "system/gpu" in row.metrics]
        assert system == ([{"system/gpu": 0.5, "system/temperature": 60.0}] if has_system else [])
        alerts = [(alert.title, alert.level, alert.text) for alert in wire.store.alerts("seen", run.id)]
        both = [("first alert", AlertLevel.ERROR, "with text"), ("second alert", AlertLevel.WARN, None)]
        assert alerts == (both if has_alerts else [])


def test_alerts_with_data_and_run_statuses_are_read_where_there_are_any(folder: Path, wire: Wire, bringer: Bring) -> None:
    with opened(database(folder)) as db:
        db.execute("ALTER TABLE alerts ADD COLUMN data TEXT")
        db.execute("""UPDATE alerts SET data = '{"window": 50}' WHERE title = 'first alert'""")
        db.execute("CREATE TABLE run_status (id INTEGER PRIMARY KEY, run_id, run_name, timestamp, status, reason)")
        db.execute(
            "INSERT INTO run_status SELECT 1, run_id, run_name, '2999-01-01', 'failed', 'nan' FROM metrics WHERE run_name = 'first'"
            " LIMIT 1"
        )
        db.commit()
    brought(bringer())
    first, second = sorted(wire.store.runs("seen"), key=lambda run: run.name)
    assert (first.status, first.reason, second.status) == ("failed", "nan", "running")
    assert [alert.data for alert in wire.store.alerts("seen", first.id)] == [{"window": 50}, None]


def test_rows_that_have_come_since_are_all_that_is_sent(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = database(folder, rows=False)
    one = bringer()
    with opened(path) as db:
        for step in range(1000):
            log(db, step)
        db.commit()
        brought(one)
        before = wire.bytes
        log(db, 1000)
        db.commit()
        assert brought(one) == {"seen": 1}
    assert wire.bytes - before < 200
    assert len(wire.store.history("seen", "id")) == 1001


def test_a_round_in_which_nothing_has_changed_reads_and_says_nothing(folder: Path, wire: Wire, bringer: Bring) -> None:
    database(folder)
    one = bringer()
    brought(one)
    said = wire.items
    assert brought(one) == {}
    assert wire.items == said


def test_a_restarted_reader_finds_where_it_was_from_the_receiver_alone(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = database(folder)
    brought(bringer())
    dump, sent = wire.store.dump(), wire.bytes
    assert brought(bringer("another")) == {"seen": 0}
    assert (wire.store.dump(), wire.bytes) == (dump, sent)
    with opened(path) as db:
        log(db, 7)
    brought(bringer("a third"))
    assert len(wire.store.history("seen", "id")) == 1


def test_a_receiver_restored_from_an_older_copy_gets_the_rest(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = database(folder)
    one = bringer()
    brought(one)
    older = copy.deepcopy(wire.store.received)
    with opened(path) as db:
        for step in range(3, 6):
            log(db, step, run="first", run_id="new")
            db.commit()
            brought(one)
    dump = wire.store.dump()
    wire.store.received, wire.boot_id = older, "two"
    brought(one)
    assert wire.store.dump() == dump


def test_a_run_is_the_same_one_after_its_database_was_migrated(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = database(folder, version="0.23.0")
    one = bringer()
    brought(one)
    with opened(path) as db:  # as 0.41 does it: `tests/e2e/trackio/test_import.py` has that one itself do it
        for table in ("metrics", "system_metrics", "alerts", "configs"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN run_id TEXT")
            db.execute(f"UPDATE {table} SET run_id = hex(run_name)")
        db.execute("PRAGMA user_version = 2")
        log(db, 3, run="first", run_id="6669727374")
        db.commit()
    assert brought(one) == {"seen": 1}
    assert {run.id: run.name for run in wire.store.runs("seen")} == {"first": "first", "second": "second"}
    dump = wire.store.dump()
    brought(bringer("another"))
    assert wire.store.dump() == dump


def test_an_older_copy_is_told_and_sends_nothing(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = database(folder)
    older = path.read_bytes()
    with opened(path) as db:
        log(db, 3)
        db.commit()
    one = bringer()
    brought(one)
    dump = wire.store.dump()
    newer = path.read_bytes()
    path.write_bytes(older)
    assert "has gone back" in errors(one)["seen"]
    path.write_bytes(newer)
    assert brought(one) == {"seen": 0}
    assert wire.store.dump() == dump


def test_another_database_under_the_name_of_one_that_is_gone_arrives_as_well(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = database(folder)
    one = bringer()
    brought(one)
    path.unlink()
    with opened(database(folder, rows=False)) as db:
        log(db, 0, run_id="another")
        db.commit()
    brought(one)
    assert len(wire.store.runs("seen")) == 3


def test_a_damaged_database_among_good_ones_is_named_and_the_others_go_on(folder: Path, wire: Wire, bringer: Bring) -> None:
    database(folder)
    bad = database(folder, "bad")
    content = bytearray(bad.read_bytes())
    content[100:8000] = b"\xff" * 7900
    bad.write_bytes(content)
    (folder / "no.db").write_text("this is no database, but it is longer than the hundred bytes that the header of one has" * 9)
    found = errors(bringer())
    assert sorted(found) == ["bad", "no"]
    assert all(f"{folder}/{name}.db is damaged" in text for name, text in found.items())
    assert len(wire.store.runs("seen")) == 2


def test_what_is_no_project_of_trackios_is_left_alone(folder: Path, wire: Wire, bringer: Bring) -> None:
    with opened(folder / "mine.db") as db:
        db.execute("CREATE TABLE metrics (a, b)")
        db.commit()
    (folder / "empty.db").touch()
    (folder / "registry-models.db").write_bytes(b"nonsense")
    (folder / "seen.lock").touch()
    assert set(brought(bringer()).values()) == {0}
    assert wire.store.received == {}


def test_the_inbox_is_read_and_a_row_that_is_in_two_files_arrives_once(folder: Path, wire: Wire, bringer: Bring) -> None:
    fragment(folder, "a/00000000.jsonl", metric(0, config={"lr": 0.1, "_Group": "g"}), metric(1))
    fragment(folder, "b/00000000.jsonl", metric(1), metric(2))
    alert = {"v": 1, "kind": "alert", "project": "seen", "run": "boxed", "run_id": "boxid", "title": "t", "level": "INFO"}
    fragment(folder, "b/00000001.jsonl", alert | {"alert_id": "x", "timestamp": "2026-01-01T00:00:00+00:00"}, {"kind": "other"})
    system = metric(0, kind="system_metric", metrics={"gpu": 1.0}, log_id="s")
    fragment(folder, "b/00000002.jsonl", system)
    brought(bringer())
    (run,) = wire.store.runs("seen")
    assert (run.id, run.name, run.group, run.config) == ("boxid", "boxed", "g", {"lr": 0.1})
    assert [row.step for row in wire.store.history("seen", "boxid", "loss")] == [0, 1, 2]
    assert len(wire.store.history("seen", "boxid", "system/gpu")) == 1
    assert [alert.title for alert in wire.store.alerts("seen", "boxid")] == ["t"]
    dump = wire.store.dump()
    brought(bringer())
    assert wire.store.dump() == dump


def test_a_row_that_trackio_moves_from_the_inbox_into_its_database_arrives_once(folder: Path, wire: Wire, bringer: Bring) -> None:
    file = fragment(folder, "a/00000000.jsonl", metric(0), metric(1))
    brought(bringer())
    with opened(database(folder, rows=False)) as db:
        for step in (0, 1, 2):
            log(db, step, run="boxed", run_id="boxid", log_id=f"box-{step}")
        db.commit()
    brought(bringer())
    file.unlink()
    brought(bringer())
    assert [row.step for row in wire.store.history("seen", "boxid", "loss")] == [0, 1, 2]


def test_a_row_of_the_inbox_that_came_from_the_database_is_not_sent_again(folder: Path, wire: Wire, bringer: Bring) -> None:
    with opened(database(folder, rows=False)) as db:
        log(db, 0, run="boxed", run_id="boxid", log_id="box-0")
        db.commit()
    brought(bringer())
    fragment(folder, "a/00000000.jsonl", metric(0), metric(1))
    brought(bringer())
    assert [row.step for row in wire.store.history("seen", "boxid", "loss")] == [0, 1]


def test_a_fragment_that_is_not_all_here_is_read_as_far_as_it_goes(folder: Path, wire: Wire, bringer: Bring) -> None:
    path = fragment(folder, "a/00000000.jsonl", metric(0), metric(1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    one = bringer()
    brought(one)
    assert len(wire.store.history("seen", "boxid")) == 1
    path.write_bytes(whole)
    brought(one)
    assert len(wire.store.history("seen", "boxid")) == 2
    assert len(read_lines(InboxFile(path, "a", 0))) == 2


def test_the_same_row_makes_the_same_bytes_for_ever() -> None:
    """Other bytes would make new streams of rows that servers have: never change this digest once a version is released."""
    made = [
        build_started_frame("r", 5),
        build_metrics_frame(
            "2026-01-02T03:04:05.678901+00:00", 3, b'{"a": 1, "b": {"c": 2.5, "d": "NaN"}, "e": true, "f": "text"}', 0
        ),
        build_metrics_frame("2026-01-02T03:04:05", None, '{"gpu/0": 12345678901234567890123}', 7, "system/"),
        build_alert_frame({"timestamp": "2026-01-02T03:04:05", "title": "t", "level": "WARN", "step": 2, "data": '{"k": [1]}'}),
        build_config_frame("name", '{"lr": 0.1, "_Group": "g", "_Username": null, "l": [1, {"x": null}]}', 9),
    ]
    assert hashlib.sha256(b"".join(made)).hexdigest()[:16] == "be8c85d89470d6b2"


@pytest.mark.parametrize(
    ("text", "time"),
    [("1970-01-01T00:00:01.5+00:00", 1_500_000), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:02", 2_000_000), ("soon", 0)],
)
def test_a_time_without_a_zone_is_taken_for_utc(text: str, time: int) -> None:
    assert parse_time_us(text) == time


def test_names_become_names_that_can_be() -> None:
    assert (map_project_name("my.model"), map_project_name("..."), map_project_name("größe-1")) == ("mymodel", "default", "größe-1")
    assert map_run_id("dainty-sunset-0") == "dainty-sunset-0"
    assert map_run_id("a run/of mine") == hashlib.sha256(b"a run/of mine").hexdigest()[:16]
    assert len(map_run_id("x" * 1000)) <= 64


def test_a_row_without_numbers_makes_no_record() -> None:
    assert (
        build_metrics_frame("1970-01-01", 0, '{"image": {"_type": "trackio.image", "size": 3}, "text": "x", "list": [1]}', 0) == b""
    )
    assert build_metrics_frame("1970-01-01", 0, "no json", 0) == b""


def test_a_database_that_is_written_to_without_end_is_left_for_the_next_round(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasuki.importers import sqlite_copy as snapshot
    from tasuki.testing import FakeClock

    path = database(folder)
    clock = FakeClock()

    def touched(_: Path, target: Path) -> None:
        target.write_bytes(path.read_bytes())
        path.write_bytes(path.read_bytes() + b"x")

    monkeypatch.setattr(snapshot.shutil, "copyfile", touched)
    with pytest.raises(DataError, match="was being written to"):
        snapshot.copy_database(path, tmp_path / "copy.db", clock=clock)
    assert not (tmp_path / "copy.db").exists()
