import json
import math
from collections.abc import Iterator

import apsw
import pytest

from tasuki.records import Alert, AlertLevel, Heartbeat, RunDeleted, RunStarted, RunUpdated
from tasuki.store import MAX_EVENTS, catch_up, connect_projection, dump, read_event_span, read_events_after
from tests.support.journals import metrics
from tests.support.sent_streams import Sent

BEGAN = 1_800_000_000_000_000


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    db = connect_projection(":memory:")
    yield db
    db.close()


@pytest.fixture
def source() -> Sent:
    return Sent()


def events(db: apsw.Connection, sequence: int = 0) -> list[dict]:
    return [json.loads(event.data) for event in read_events_after(db, sequence, 1000)]


def started() -> RunStarted:
    return RunStarted(time=BEGAN, attempt="one", name="n")


def test_a_run_that_changed_often_in_one_transaction_has_one_event(db, source):
    source.send([started(), RunUpdated(time=BEGAN + 1, notes="a"), RunUpdated(time=BEGAN + 2, notes="b")])
    catch_up(db, source)
    assert events(db) == [{"type": "run", "project": "p", "run": "r"}]


def test_few_values_are_in_their_event(db, source):
    source.send([metrics(0, loss=0.5, acc=math.nan), metrics(1, loss=math.inf)])
    catch_up(db, source)
    assert events(db) == [
        {
            "type": "points",
            "project": "p",
            "run": "r",
            "points": {"loss": [[0, BEGAN, 0.5], [1, BEGAN + 1, "Infinity"]], "acc": [[0, BEGAN, "NaN"]]},
        }
    ]


@pytest.mark.parametrize(("calls", "in_full"), [(100, True), (101, False)])
def test_many_values_are_only_named(db, source, calls, in_full):
    source.send([metrics(step, a=1.0, b=2.0) for step in range(calls)])
    catch_up(db, source)
    (event,) = events(db)
    assert ("points" in event) is in_full
    if not in_full:
        assert (event["from_step"], event["to_step"], event["metrics"]) == (0, calls - 1, ["a", "b"])


def test_an_alert_has_an_event_with_the_id_it_keeps(db, source):
    source.send([started(), Alert(time=BEGAN, title="flat", level=AlertLevel.ERROR)])
    catch_up(db, source)
    (_, alert) = events(db)
    (offset,) = db.execute('SELECT "offset" FROM alert').fetchone()
    assert alert == {"type": "alert", "project": "p", "run": "r", "id": f"w:{offset}", "level": "error", "title": "flat"}


def test_a_deleted_run_has_an_event(db, source):
    source.send([started()])
    catch_up(db, source)
    source.send([RunDeleted(time=BEGAN + 5)])
    catch_up(db, source)
    assert events(db, 1) == [{"type": "run", "project": "p", "run": "r"}]


def test_what_changes_nothing_to_be_seen_has_none(db, source):
    source.send([started()])
    catch_up(db, source)
    source.send([Heartbeat(time=BEGAN + 5)])
    catch_up(db, source)
    assert read_event_span(db) == (1, 1)


def test_nothing_is_told_twice(db, source):
    source.send([started(), metrics(0)])
    catch_up(db, source)
    catch_up(db, source)
    assert [event["type"] for event in events(db)] == ["run", "points"]


def test_the_latest_are_kept_and_their_numbers_go_on(db, source):
    db.execute("INSERT INTO event (sequence, project, run, type, data) VALUES (?, 'p', 'r', 'run', '{}')", (MAX_EVENTS + 10,))
    db.execute("INSERT INTO event (sequence, project, run, type, data) VALUES (5, 'p', 'r', 'run', '{}')")
    source.send([started()])
    catch_up(db, source)
    assert read_event_span(db) == (MAX_EVENTS + 10, MAX_EVENTS + 11)


def test_events_are_not_part_of_what_a_store_says(db, source):
    source.send([started(), metrics(0)])
    catch_up(db, source)
    before = dump(db)
    db.execute("DELETE FROM event")
    assert dump(db) == before


def test_an_empty_store_has_none(db):
    assert read_event_span(db) == (1, 0)
    assert read_events_after(db, 0, 10) == []
