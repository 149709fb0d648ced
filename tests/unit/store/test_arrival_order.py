"""Alerts as they arrive: who goes on from the last one misses none, and gets none twice."""

import pytest

from tasuki.errors import NotFound
from tasuki.records import Alert, RunDeleted, RunStarted
from tasuki.sdk import init
from tasuki.settings import load
from tasuki.store import Queries, catch_up, connect_projection, open_folder_store
from tests.support.sent_streams import Sent

BEGAN = 1_800_000_000_000_000


def alert(time: int, title: str) -> Alert:
    return Alert(time=BEGAN + time, title=title)


@pytest.fixture
def db():
    db = connect_projection(":memory:")
    yield db
    db.close()


def titles(db, since: str | int | None = None) -> list[str]:
    return [row.title for row in Queries(db, lambda *_: 0).alerts("p", since=since)]


def cursor(db) -> str:
    return Queries(db, lambda *_: 0).alerts("p")[-1].id


def test_what_arrives_late_comes_after_what_was_seen(db):
    source = Sent()
    source.send([RunStarted(time=BEGAN, attempt="one"), alert(50, "seen")], "w1")
    catch_up(db, source)
    seen = cursor(db)
    source.send([RunStarted(time=BEGAN, attempt="one"), alert(10, "late"), alert(50, "at the same time")], "w2")
    source.send([alert(60, "later")], "w1")
    catch_up(db, source)
    assert titles(db) == ["seen", "late", "at the same time", "later"]
    assert titles(db, since=seen) == ["late", "at the same time", "later"]
    assert titles(db, since=cursor(db)) == []
    assert titles(db, since=BEGAN + 50) == ["later"]


def test_those_that_arrive_at_once_come_by_time(db):
    source = Sent()
    source.send([RunStarted(time=BEGAN, attempt="one"), alert(20, "b"), alert(40, "d")], "w1")
    source.send([alert(10, "a"), alert(30, "c")], "w2")
    catch_up(db, source)
    assert titles(db) == ["a", "b", "c", "d"]


def test_the_place_of_an_alert_that_went_with_its_run_is_not_given_to_another(db):
    source = Sent()
    source.send([RunStarted(time=BEGAN, attempt="one"), alert(1, "x"), RunDeleted(time=BEGAN + 2)], "w1")
    catch_up(db, source)
    with pytest.raises(NotFound):
        titles(db, since="w1:0")
    assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'alert'").fetchone() == (1,)


def test_a_rebuild_puts_what_arrived_late_where_it_belongs(tmp_path):
    with init("p", id="r", dir=str(tmp_path)) as run:
        run.alert("one")
        with open_folder_store(load(dir=str(tmp_path))) as store:
            assert [row.title for row in store.alerts("p")] == ["one"]
        run.alert("two")
        with open_folder_store(load(dir=str(tmp_path))) as store:
            store.alerts("p")
            store.connection().execute("UPDATE alert SET arrival = -arrival")
            assert [row.title for row in store.alerts("p")] == ["two", "one"]
            store.rebuild()
            assert [row.title for row in store.alerts("p")] == ["one", "two"]
