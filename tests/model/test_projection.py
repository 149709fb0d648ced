"""The projection says the same whatever the order, the batches and the repetitions in which streams reach it."""

import apsw
from hypothesis import given
from hypothesis import strategies as st

from tasuki.database.sqlite import write_transaction
from tasuki.journal import Stream
from tasuki.records import NoteKind, encode_frame
from tasuki.store import AttemptOutcome, Dump, Queries, catch_up, connect_projection, dump
from tasuki.store.projection import Projection
from tasuki.store.series import blocks
from tasuki.store.series import tail as metrics
from tasuki.testing.reference_store.memory_store import MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream
from tests.model.strategies import deletions, payloads

WRITERS = [f"{number:032x}" for number in (1, 2, 3)]
streams = st.lists(st.lists(payloads, min_size=1, max_size=12), min_size=1, max_size=3)


def reference(written: list[list[bytes]]) -> MemoryStore:
    store = MemoryStore()
    for number, (writer, parts) in enumerate(zip(WRITERS, written, strict=False)):
        kept = ReceivedStream("p", "r" if number < 2 else "s")
        kept.data, kept.is_sealed = b"".join(map(encode_frame, parts)), number == 1
        store.received[writer] = kept
    return store


def projected_in_pieces(store: MemoryStore, data: st.DataObject) -> Dump:
    """Project through a random sequence of batches, some of which are rolled back and come again."""
    db = connect_projection(":memory:")
    project_in_pieces(db, store, data)
    return dump(db)


def project_in_pieces(db: apsw.Connection, store: MemoryStore, data: st.DataObject) -> None:
    """The same into a database of the caller's."""
    behind = {stream.writer: stream for stream in store.streams()}
    while behind:
        stream = data.draw(st.sampled_from(sorted(behind.values())), label="stream")
        lost = data.draw(st.booleans(), label="lost")
        try:
            with write_transaction(db):
                advance(Projection(db), store, stream, data.draw(st.integers(1, 400), label="bytes"), behind)
                if lost:
                    raise Interrupted
        except Interrupted:
            behind[stream.writer] = stream


class Interrupted(Exception):
    pass


def advance(projection: Projection, store: MemoryStore, stream: Stream, size: int, behind: dict[str, Stream]) -> None:
    before = projection.position(stream.writer)
    projection.add_frames(stream, store.read(stream.writer, before.offset, size))
    if projection.position(stream.writer).offset == stream.size:
        del behind[stream.writer]
        projection.complete_stream(stream)
    projection.write()


@given(streams, st.none() | deletions, st.data())
def test_any_interleaving_batching_and_repetition_says_what_the_plain_reading_says(written, deletion, data):
    if deletion is not None:
        written[0].insert(data.draw(st.integers(0, len(written[0])), label="deleted at"), deletion)
    store = reference(written)
    assert projected_in_pieces(store, data) == store.dump()


@given(streams, st.booleans(), st.data())
def test_which_note_stands_does_not_depend_on_the_order_in_which_notes_arrive(written, outside, data):
    store = reference(written)
    if outside:
        store.received[WRITERS[0]].run = ""
    db = connect_projection(":memory:")
    project_in_pieces(db, store, data)
    queries = Queries(db, lambda *_: AttemptOutcome.OVER)
    assert queries.projects() == store.projects()
    for project in {row.name for row in store.projects()}:
        assert queries.notes(project) == store.notes(project)
        assert queries.notes(project, NoteKind.LESSON, since=3, search="É") == store.notes(
            project, NoteKind.LESSON, since=3, search="É"
        )


@given(streams, st.booleans(), st.data())
def test_what_is_said_of_files_does_not_depend_on_the_order_in_which_it_arrives(written, outside, data):
    store = reference(written)
    if outside:
        store.received[WRITERS[0]].run = ""
    db = connect_projection(":memory:")
    project_in_pieces(db, store, data)
    queries = Queries(db, lambda *_: True)
    assert queries.projects() == store.projects()
    for project in {row.name for row in store.projects()}:
        for run in (None, "", "r"):
            assert queries.files(project, run) == store.files(project, run)


@given(streams, st.data())
def test_small_blocks_that_overlap_say_the_same(written, data):
    store = reference(written)
    sizes = blocks.BLOCK_RECORDS, metrics.FOLD_RECORDS
    blocks.BLOCK_RECORDS, metrics.FOLD_RECORDS = data.draw(st.sampled_from([(2, 1), (3, 2), (4, 3)]))
    try:
        assert projected_in_pieces(store, data) == store.dump()
    finally:
        blocks.BLOCK_RECORDS, metrics.FOLD_RECORDS = sizes


@given(streams)
def test_catching_up_in_one_go_says_the_same_and_again_changes_nothing(written):
    store, db = reference(written), connect_projection(":memory:")
    caught = catch_up(db, store)
    assert caught.missing == 0
    assert dump(db) == store.dump()
    assert catch_up(db, store).records == 0
    assert dump(db) == store.dump()
