"""Packing: of a stream that has ended few large items are made, and nothing else changes."""

from itertools import accumulate, pairwise
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.records import START, Heartbeat, Item, Position, encode, encode_frame, pack_item
from tasuki.store import RawStore

WRITER = "a" * 32
FRAMES = [encode_frame(encode(Heartbeat(time=time))) for time in range(200)]


def stored(store: RawStore, pieces: list[bytes], *, sealed: bool = True, writer: str = WRITER) -> None:
    """A stream that came in these pieces."""
    at = START
    for number, data in enumerate(pieces, 1):
        ends = sealed and number == len(pieces)
        item = Item(project="p", run="r", writer=writer, offset=at.offset, crc=at.crc, sealed=ends, data=pack_item(data))
        assert store.append([item])[0].status == "stored"
        at = Position(at.offset + len(data), crc32(data, at.crc))


def items(store: RawStore, writer: str = WRITER) -> int:
    return int(store.db.execute("SELECT count(*) FROM item WHERE writer = ?", (writer,)).fetchone()[0])


def packed(store: RawStore) -> RawStore:
    while store.pack():
        pass
    return store


@given(cuts=st.lists(st.integers(1, 199), unique=True), packed_bytes=st.integers(1, 4000))
def test_a_packed_stream_is_the_same_from_every_offset(cuts: list[int], packed_bytes: int):
    edges = [0, *sorted(cuts), 200]
    pieces = [b"".join(FRAMES[start:end]) for start, end in pairwise(edges)]
    whole, offsets = b"".join(FRAMES), [0, *accumulate(map(len, FRAMES))]
    store = RawStore(":memory:", max_packed_bytes=packed_bytes)
    stored(store, pieces)
    before = store.positions([WRITER]), store.compute_digest(WRITER)
    packed(store)
    assert (store.positions([WRITER]), store.compute_digest(WRITER)) == before
    for offset in offsets:
        assert store.read(WRITER, offset, 1 << 30) == whole[offset:]
        assert store.crc_at(WRITER, offset) == crc32(whole[:offset])
    assert max(packed_bytes, *map(len, pieces)) >= max(
        size for (size,) in store.db.execute("SELECT size FROM item WHERE writer = ?", (WRITER,))
    )
    store.close()


def test_a_packed_stream_answers_as_before():
    store = RawStore(":memory:")
    stored(store, FRAMES)
    packed(store)
    again = Item(project="p", run="r", writer=WRITER, offset=0, crc=0, data=pack_item(FRAMES[0]))
    (reply,) = store.append([again])
    assert (reply.status, reply.sealed, reply.position) == ("moved", True, Position(*store.positions([WRITER])[WRITER]))
    assert [stream.is_sealed for stream in store.streams()] == [True]


def test_a_stream_that_goes_on_is_left_alone():
    store = RawStore(":memory:")
    stored(store, FRAMES, sealed=False)
    assert not store.pack()
    assert items(store) == len(FRAMES)


def test_many_small_items_take_less_room(tmp_path: Path):
    def size() -> int:
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    store = RawStore(tmp_path / "raw.db")
    for number in range(20):
        stored(store, FRAMES, writer=f"{number:032x}")
    store.close()
    before = size()
    store = RawStore(tmp_path / "raw.db")
    packed(store)
    assert items(store, "0" * 32) == 1
    store.close()
    assert size() < before / 2


def test_packing_goes_on_where_another_process_stopped(tmp_path: Path):
    store = RawStore(tmp_path / "raw.db", max_packed_bytes=100)
    stored(store, FRAMES)
    store.pack()
    store.pack()
    store.close()
    store = RawStore(tmp_path / "raw.db", max_packed_bytes=100)
    assert not packed(store).pack()
    assert store.compute_digest(WRITER)[0] == store.positions([WRITER])[WRITER]
    store.close()


@pytest.mark.parametrize("damaged", [0, 100, 199])
def test_damage_is_neither_hidden_nor_spread(damaged: int):
    store = RawStore(":memory:", max_packed_bytes=200)
    stored(store, FRAMES)
    offset = sum(map(len, FRAMES[:damaged]))
    store.db.execute('UPDATE item SET data = zeroblob(20) WHERE "offset" = ?', (offset,))
    packed(store)
    assert store.read(WRITER, 0, 1 << 30) == b"".join(FRAMES[:damaged])
    assert store.read(WRITER, offset + len(FRAMES[damaged]), 1 << 30) == b"".join(FRAMES[damaged + 1 :])
    store.close()
