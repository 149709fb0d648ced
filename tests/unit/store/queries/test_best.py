"""The best runs are the same whether their summaries are in order already or not."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tasuki.records import RunStarted, encode, encode_frame, encode_metrics
from tasuki.store import BestRuns, Queries, catch_up, connect_projection
from tasuki.testing import MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream

values = st.sampled_from([0.0, -0.0, 1.0, 2.5, math.inf, -math.inf, math.nan])
runs = st.lists(st.tuples(st.lists(values, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=8)


def received(found: list[tuple[list[float], bool]]) -> MemoryStore:
    """A stream per run, sealed or not."""
    store = MemoryStore()
    for number, (logged, sealed) in enumerate(found):
        records = [encode(RunStarted(time=number // 2, attempt="a"))]
        records += [encode_metrics(10, step, {"loss": value}) for step, value in enumerate(logged)]
        stream = ReceivedStream("p", f"run-{number}")
        stream.data, stream.is_sealed = b"".join(map(encode_frame, records)), sealed
        store.received[f"{number:032x}"] = stream
    return store


@given(runs, runs, st.integers(1, 9), st.sampled_from(["min", "max"]), st.sampled_from(["last", "min", "max"]))
def test_best_is_what_sorting_all_summaries_gives(found, later, n, mode, by):
    db, top = connect_projection(":memory:"), BestRuns(n, mode, by)
    store = received(found)
    catch_up(db, store)
    for number, (logged, _) in enumerate(later[: len(found)]):
        another = ReceivedStream("p", f"run-{number}")
        another.data = b"".join(encode_frame(encode_metrics(20, 20 + step, {"loss": value})) for step, value in enumerate(logged))
        store.received[f"{100 + number:032x}"] = another
    catch_up(db, store)
    queries = Queries(db, lambda *_: True)
    assert queries.summaries("p", metrics=["loss"], top=top) == store.summaries("p", metrics=["loss"], top=top)
    db.close()


def test_what_comes_after_a_run_has_ended_counts():
    db, store = connect_projection(":memory:"), received([([1.0], True), ([2.0], True)])
    catch_up(db, store)
    store.received["f" * 32] = ReceivedStream("p", "run-1")
    store.received["f" * 32].data = encode_frame(encode_metrics(20, 20, {"loss": 0.5}))
    catch_up(db, store)
    (best,) = Queries(db, lambda *_: True).summaries("p", metrics=["loss"], top=BestRuns(1))
    assert (best.run, best.last) == ("run-1", 0.5)
    db.close()


def test_of_equals_a_run_comes_first_that_turns_out_to_be_older():
    db, store = connect_projection(":memory:"), MemoryStore()
    for number in range(3):
        stream = store.received[f"{number:032x}"] = ReceivedStream("p", f"run-{number}")
        stream.data = encode_frame(encode(RunStarted(time=10 + number, attempt="a"))) + encode_frame(
            encode_metrics(20, 0, {"loss": 1.0})
        )
        stream.is_sealed = True
    catch_up(db, store)
    store.received["f" * 32] = ReceivedStream("p", "run-2")
    store.received["f" * 32].data = encode_frame(encode(RunStarted(time=5, attempt="earlier")))
    catch_up(db, store)
    queries = Queries(db, lambda *_: True)
    assert [best.run for best in queries.summaries("p", metrics=["loss"], top=BestRuns(3))] == ["run-2", "run-0", "run-1"]
    db.close()


def test_runs_of_other_projects_are_not_among_them():
    db, store = connect_projection(":memory:"), received([([1.0], True), ([2.0], True)])
    other = ReceivedStream("q", "run-0")
    other.data, other.is_sealed = encode_frame(encode_metrics(20, 20, {"loss": 0.5})), True
    store.received["e" * 32] = other
    catch_up(db, store)
    queries = Queries(db, lambda *_: True)
    assert [best.run for best in queries.summaries("p", metrics=["loss"], top=BestRuns(1))] == ["run-0"]
    assert [best.last for best in queries.summaries("q", metrics=["loss"], top=BestRuns(1))] == [0.5]
    db.close()
