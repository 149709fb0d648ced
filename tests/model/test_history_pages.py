"""A history read by pages is the whole history, whatever lies in blocks and what in the tail."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.records import HistoryRow, RunStarted, encode, encode_frame, encode_metrics
from tasuki.store import Queries, catch_up, connect_projection
from tasuki.store.series import blocks
from tasuki.store.series import tail as metrics
from tasuki.testing import MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream

calls = st.lists(
    st.tuples(st.integers(0, 9), st.dictionaries(st.sampled_from(["loss", "acc"]), st.sampled_from([0.0, 1.5]), min_size=1)),
    min_size=1,
    max_size=20,
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_RECORDS", 4)
    monkeypatch.setattr(metrics, "FOLD_RECORDS", 6)


def pages(queries: Queries, metric: str | None, limit: int) -> Iterator[list[HistoryRow]]:
    behind, more = None, True
    while more:
        page = queries.history_page("p", "r", metric, limit=limit, after=behind)
        behind, more = page.next_cursor, page.has_more
        assert len(page.rows) == limit or not more
        assert page.total == len(queries.history("p", "r", metric))
        yield page.rows


@given(st.lists(calls, min_size=1, max_size=3), st.integers(1, 7), st.sampled_from([None, "loss"]))
def test_pages_are_the_whole(written, limit, metric):
    store, db = MemoryStore(), connect_projection(":memory:")
    for number, one in enumerate(written):
        stream = ReceivedStream("p", "r")
        records = [encode(RunStarted(time=number, attempt="a"))]
        records += [encode_metrics(number + time, step, values) for time, (step, values) in enumerate([*one, (3, {"loss": 2.0})])]
        stream.data = b"".join(map(encode_frame, records))
        store.received[f"{number:032x}"] = stream
        catch_up(db, store)
    queries = Queries(db, lambda *_: 0)
    assert [row for page in pages(queries, metric, limit) for row in page] == store.history("p", "r", metric)
    db.close()
