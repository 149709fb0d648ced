"""What every receiver of streams promises: the raw store on disk and the store in memory."""

from collections.abc import Iterator
from zlib import crc32

import pytest
import zstandard

from tasuki.journal import Stream
from tasuki.records import START, Heartbeat, Item, ItemReply, Position, encode, encode_frame, pack_item
from tasuki.store import RawStore, StreamStore
from tasuki.testing import MemoryStore

ONE, TWO, THREE = (encode_frame(encode(Heartbeat(time=time))) for time in (1, 2, 3))
WRITER = "a" * 32


def at(*parts: bytes) -> Position:
    return Position(len(b"".join(parts)), crc32(b"".join(parts)))


def item(*before: bytes, data: bytes | None = None, sealed: bool = False, writer: str = WRITER, run: str = "r") -> Item:
    """An item that belongs behind `before`."""
    offset, crc = at(*before)
    packed = None if data is None else pack_item(data)
    return Item(project="p", run=run, writer=writer, offset=offset, crc=crc, sealed=sealed, data=packed)


class TestStore:
    @pytest.fixture(params=["raw", "memory"])
    def store(self, request, tmp_path) -> Iterator[StreamStore]:
        store = RawStore(tmp_path / "raw.db") if request.param == "raw" else MemoryStore()
        yield store
        store.close()

    def one(self, store: StreamStore, item: Item) -> ItemReply:
        (reply,) = store.append([item])
        assert reply.writer == item.writer
        return reply

    def test_frames_are_stored_where_the_position_fits(self, store):
        assert self.one(store, item(data=ONE)) == ItemReply(writer=WRITER, status="stored", offset=len(ONE), crc=crc32(ONE))
        assert self.one(store, item(ONE, data=TWO + THREE)).position == at(ONE, TWO, THREE)
        assert store.read(WRITER, 0, 1 << 20) == ONE + TWO + THREE
        assert store.positions([WRITER, "unheard"]) == {WRITER: at(ONE, TWO, THREE), "unheard": START}

    def test_the_same_item_again_is_a_duplicate_and_changes_nothing(self, store):
        store.append([item(data=ONE)])
        assert self.one(store, item(data=ONE)).status == "duplicate"
        assert store.read(WRITER, 0, 1 << 20) == ONE

    def test_the_same_item_twice_in_one_request_is_stored_once(self, store):
        assert [reply.status for reply in store.append([item(data=ONE), item(data=ONE)])] == ["stored", "duplicate"]

    def test_a_gap_is_impossible(self, store):
        reply = self.one(store, item(ONE, data=TWO))
        assert (reply.status, reply.position, reply.crc_at) == ("moved", START, None)
        assert store.read(WRITER, 0, 1 << 20) == b"" if list(store.streams()) else True

    def test_other_content_under_the_same_writer_is_not_stored(self, store):
        store.append([item(data=ONE)])
        reply = self.one(store, item(data=TWO))
        assert (reply.status, reply.position, reply.crc_at) == ("moved", at(ONE), 0)
        assert store.read(WRITER, 0, 1 << 20) == ONE

    def test_an_item_without_data_asks_for_the_position_and_for_the_crc_at_its_own(self, store):
        store.append([item(data=ONE), item(ONE, data=TWO)])
        assert self.one(store, item(ONE, TWO)).status == "duplicate"
        for asked in ((), (ONE,)):
            reply = self.one(store, item(*asked))
            assert (reply.status, reply.position, reply.crc_at) == ("moved", at(ONE, TWO), at(*asked).crc)
        assert self.one(store, item(ONE, TWO, THREE)).crc_at is None

    def test_asking_leaves_no_trace(self, store):
        assert self.one(store, item()).status == "duplicate"
        assert list(store.streams()) == []

    def test_a_stream_is_sealed_with_its_last_data_or_without(self, store):
        assert self.one(store, item(data=ONE, sealed=True)).sealed
        store.append([item(data=ONE, writer="b" * 32)])
        assert self.one(store, item(ONE, sealed=True, writer="b" * 32)).sealed
        assert [stream.is_sealed for stream in store.streams()] == [True, True]
        assert store.positions([WRITER])[WRITER] == at(ONE)

    def test_an_empty_stream_can_be_sealed(self, store):
        assert self.one(store, item(sealed=True)).status == "stored"
        assert list(store.streams()) == [Stream(WRITER, "p", "r", 0, True)]

    def test_data_after_the_seal_is_rejected(self, store):
        store.append([item(data=ONE, sealed=True)])
        reply = self.one(store, item(ONE, data=TWO))
        assert (reply.status, reply.sealed, reply.position) == ("rejected", True, at(ONE))
        assert store.read(WRITER, 0, 1 << 20) == ONE

    @pytest.mark.parametrize(
        "data",
        [b"", b"not zstd", zstandard.compress(b"no frames"), pack_item(ONE[:-1]), pack_item(ONE + b"\0"), pack_item(ONE)[:-3]],
        ids=["empty", "not zstd", "no frames", "torn", "behind", "cut"],
    )
    def test_what_is_not_whole_frames_is_rejected_and_the_others_are_stored(self, store, data):
        bad = Item(project="p", run="r", writer=WRITER, offset=0, crc=0, data=data)
        replies = store.append([bad, item(data=ONE, writer="b" * 32)])
        assert [reply.status for reply in replies] == ["rejected", "stored"]
        assert replies[0].hint

    def test_a_bomb_is_rejected_by_the_size_it_states(self, store):
        bomb = zstandard.ZstdCompressor().compress(bytes(64 << 20))
        assert self.one(store, Item(project="p", run="r", writer=WRITER, offset=0, crc=0, data=bomb)).status == "rejected"

    def test_a_writer_belongs_to_one_run(self, store):
        store.append([item(data=ONE)])
        assert self.one(store, item(ONE, data=TWO, run="other")).status == "rejected"

    def test_a_purged_run_is_gone_and_its_items_are_answered_stored_and_discarded(self, store):
        store.append([item(data=ONE), item(data=ONE, writer="b" * 32, run="kept")])
        assert store.purge("p", "r") == 1
        assert store.purge("p", "r") == 0
        reply = self.one(store, item(ONE, data=TWO))
        assert (reply.status, reply.position) == ("stored", at(ONE, TWO))
        assert [stream.run for stream in store.streams()] == ["kept"]

    def test_frames_are_read_whole_and_at_least_one(self, store):
        store.append([item(data=ONE + TWO), item(ONE, TWO, data=THREE)])
        assert store.read(WRITER, 0, 1).startswith(ONE)
        assert store.read(WRITER, len(ONE), 1 << 20) == TWO + THREE
        assert store.read(WRITER, len(ONE + TWO + THREE), 1 << 20) == b""


def test_what_was_answered_stored_is_there_after_opening_the_file_again(tmp_path):
    store = RawStore(tmp_path / "raw.db")
    store.append([item(data=ONE, sealed=True)])
    store.close()
    again = RawStore(tmp_path / "raw.db")
    assert again.read(WRITER, 0, 1 << 20) == ONE
    assert list(again.streams()) == [Stream(WRITER, "p", "r", len(ONE), True)]
    again.close()
