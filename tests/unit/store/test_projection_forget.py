"""Forgetting a run: what is gone stays gone, what is still there comes back as it was."""

from tasuki.records import Alert, RunDeleted, RunStarted, encode_frame
from tasuki.store import catch_up, connect_projection, dump
from tasuki.store.projection import Projection
from tests.support.journals import metrics
from tests.support.sent_streams import Sent

BEGAN = 1_800_000_000_000_000


def recorded() -> Sent:
    source = Sent()
    started = RunStarted(time=BEGAN, attempt="one", name="n", tags=["a"], config={"lr": 1})
    source.send([started, *map(metrics, range(30)), Alert(time=BEGAN + 99, title="flat")], "w1")
    source.send([started, *map(metrics, range(20, 40))], "w2")
    source.data["w2"] += encode_frame(b"\x93\xa3odd\x01\x02")
    return source


def forget(db) -> None:
    with db:
        Projection(db).forget_run("p", "r")


def test_what_is_still_there_is_projected_again():
    source, db = recorded(), connect_projection(":memory:")
    catch_up(db, source)
    before = dump(db)
    forget(db)
    assert dump(db) == {}
    catch_up(db, source)
    assert dump(db) == before
    db.close()


def test_a_part_that_is_gone_stays_gone():
    source, db, fresh = recorded(), connect_projection(":memory:"), connect_projection(":memory:")
    catch_up(db, source)
    del source.data["w1"]
    forget(db)
    catch_up(db, source)
    catch_up(fresh, source)
    assert dump(db) == dump(fresh)
    db.close()
    fresh.close()


def test_a_deleted_run_is_forgotten_with_its_tombstone():
    source, db = recorded(), connect_projection(":memory:")
    source.send([RunDeleted(time=BEGAN + 1000)], "w1")
    catch_up(db, source)
    forget(db)
    assert dump(db) == {}
    db.close()


def test_a_run_that_was_never_there_is_forgotten_too():
    db = connect_projection(":memory:")
    forget(db)
    assert dump(db) == {}
    db.close()
