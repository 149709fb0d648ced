"""The projection says the same whatever the order, the batches and the repetitions in which streams reach it."""

from hypothesis import given
from hypothesis import strategies as st

from tasuki.journal import Stream
from tasuki.records import frame
from tasuki.store import Dump, catch_up, connect, dump
from tasuki.store import metrics as metrics_module
from tasuki.store.project import Projection
from tasuki.store.sql import immediate
from tasuki.testing.memory import MemoryStore, Received
from tests.model.strategies import deletions, payloads

WRITERS = [f"{number:032x}" for number in (1, 2, 3)]
streams = st.lists(st.lists(payloads, min_size=1, max_size=12), min_size=1, max_size=3)


def reference(written: list[list[bytes]]) -> MemoryStore:
    store = MemoryStore()
    for number, (writer, parts) in enumerate(zip(WRITERS, written, strict=False)):
        kept = Received("p", "r" if number < 2 else "s")
        kept.data, kept.sealed = b"".join(map(frame, parts)), number == 1
        store.received[writer] = kept
    return store


def projected_in_pieces(store: MemoryStore, data: st.DataObject) -> Dump:
    """Project through a random sequence of batches, some of which are rolled back and come again."""
    db = connect(":memory:")
    behind = {stream.writer: stream for stream in store.streams()}
    while behind:
        stream = data.draw(st.sampled_from(sorted(behind.values())), label="stream")
        lost = data.draw(st.booleans(), label="lost")
        try:
            with immediate(db):
                advance(Projection(db), store, stream, data.draw(st.integers(1, 400), label="bytes"), behind)
                if lost:
                    raise Interrupted
        except Interrupted:
            behind[stream.writer] = stream
    return dump(db)


class Interrupted(Exception):
    pass


def advance(projection: Projection, store: MemoryStore, stream: Stream, size: int, behind: dict[str, Stream]) -> None:
    before = projection.progress(stream.writer)
    projection.add(stream, store.read(stream.writer, before.offset, size))
    if projection.progress(stream.writer).offset == stream.size:
        del behind[stream.writer]
        projection.end(stream)


@given(streams, st.none() | deletions, st.data())
def test_any_interleaving_batching_and_repetition_says_what_the_plain_reading_says(written, deletion, data):
    if deletion is not None:
        written[0].insert(data.draw(st.integers(0, len(written[0])), label="deleted at"), deletion)
    store = reference(written)
    assert projected_in_pieces(store, data) == store.dump()


@given(streams, st.data())
def test_small_blocks_that_overlap_say_the_same(written, data):
    store = reference(written)
    sizes = metrics_module.BLOCK_RECORDS, metrics_module.FOLD_RECORDS
    metrics_module.BLOCK_RECORDS, metrics_module.FOLD_RECORDS = data.draw(st.sampled_from([(2, 1), (3, 2), (4, 3)]))
    try:
        assert projected_in_pieces(store, data) == store.dump()
    finally:
        metrics_module.BLOCK_RECORDS, metrics_module.FOLD_RECORDS = sizes


@given(streams)
def test_catching_up_in_one_go_says_the_same_and_again_changes_nothing(written):
    store, db = reference(written), connect(":memory:")
    caught = catch_up(db, store)
    assert caught.missing == 0
    assert dump(db) == store.dump()
    assert catch_up(db, store).records == 0
    assert dump(db) == store.dump()
