"""What goes into one request, and what is made of the answers; `tests/model` has everything that can go wrong between."""

import pytest

from tasuki.errors import RemoteUnavailable
from tasuki.journal import Stream
from tasuki.records import Heartbeat, Item, ReplicateResponse, encode, encode_frame
from tasuki.relay import AckLog, RouteState, Sender
from tasuki.relay.sender import MAX_BATCH_BYTES
from tasuki.testing import MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream


class Counted:
    """A transport that keeps the requests, and fails when it is told to."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.requests: list[list[Item]] = []
        self.down = False
        self.loses_answers = False
        self.boot_id = "one"

    def replicate(self, items):
        self.requests.append(list(items))
        if self.down:
            raise RemoteUnavailable("down")
        replies = self.store.append(items)
        if self.loses_answers:
            raise RemoteUnavailable("the answer was lost")
        return ReplicateResponse(items=replies, boot_id=self.boot_id)


def source(**streams: int) -> MemoryStore:
    """Streams by writer, of so many heartbeats."""
    store = MemoryStore()
    for writer, records in streams.items():
        store.received[writer] = ReceivedStream("p", "r")
        store.received[writer].data = heartbeats(0, records)
    return store


def heartbeats(start: int, end: int) -> bytes:
    """Frames with a heartbeat each."""
    return b"".join(encode_frame(encode(Heartbeat(time=time))) for time in range(start, end))


def drained(sender: Sender) -> list:
    rounds = []
    while (said := sender.run_round()).items:
        rounds.append(said)
    return rounds


def test_positions_are_asked_for_in_bulk_and_then_all_is_sent_at_once():
    wire = Counted()
    rounds = drained(Sender(source(a=3, b=4, c=5), wire))
    assert [len(request) for request in wire.requests] == [3, 3]
    assert sum(said.records for said in rounds) == 12
    assert wire.store.received["c"].data == source(c=5).received["c"].data


def test_nothing_is_said_when_nothing_is_new():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    drained(sender)
    requests = len(wire.requests)
    assert sender.run_round().items == 0
    assert len(wire.requests) == requests


def test_a_request_has_about_a_mebibyte_and_every_stream_gets_its_share():
    wire = Counted()
    streams = source(a=200_000, b=10, c=10)
    drained(Sender(streams, wire))
    assert {item.writer for item in wire.requests[1]} == {"a", "b", "c"}
    assert wire.store.received["a"].data == streams.received["a"].data
    assert len(streams.received["a"].data) > 3 * MAX_BATCH_BYTES
    assert len(wire.requests) > 4


def test_a_stream_behind_many_that_never_end_has_its_turn():
    wire = Counted()
    streams = source(**{f"busy{n:02}": 12_000 for n in range(40)}, last=1)
    sender = Sender(streams, wire)
    sender.run_round()  # where are they all?
    rounds = 0
    while "last" not in {stream.writer for stream in wire.store.streams() if stream.size}:
        sender.run_round()
        rounds += 1
    assert rounds <= 4
    drained(sender)
    assert {writer: received.data for writer, received in wire.store.received.items()} == {
        writer: received.data for writer, received in streams.received.items()
    }


class Holed(MemoryStore):
    """A source of which, for a while, a page is missing."""

    hole = 0

    def read(self, writer, offset, limit_bytes):
        data = super().read(writer, offset, limit_bytes)
        return data[: max(0, self.hole - offset)] if self.hole else data


def test_what_lies_behind_a_missing_page_is_pending_and_goes_on_where_it_was():
    wire, streams = Counted(), Holed()
    streams.received = source(a=20).received
    wire.store.received = source(a=10).received
    frame_bytes = len(heartbeats(0, 1))
    streams.hole = 5 * frame_bytes
    sender = Sender(streams, wire)
    assert drained(sender)
    assert sender.routes["a"].state is RouteState.SHORTER
    assert list(wire.store.received) == ["a"]
    streams.hole = 0
    assert sender.count_pending() == 15  # ten of them are there, which nobody knows as long as they can't be read
    drained(sender)
    assert sender.count_pending() == 0
    assert {writer: received.data for writer, received in wire.store.received.items()} == {"a": heartbeats(0, 20)}


def test_a_failed_request_changes_nothing():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    sender.run_round()
    wire.down = True
    with pytest.raises(RemoteUnavailable):
        sender.run_round()
    assert sender.count_pending() == 3
    wire.down = False
    assert drained(sender)[0].records == 3
    assert sender.count_pending() == 0


def test_a_server_that_started_anew_is_asked_for_everything_again():
    wire = Counted()
    sender = Sender(source(a=3, b=3), wire)
    sender.source.received["a"].is_sealed = True
    drained(sender)
    wire.boot_id, wire.store = "two", MemoryStore()
    sender.source.received["b"].data += encode_frame(encode(Heartbeat(time=9)))
    drained(sender)
    assert wire.store.received["a"].data == sender.source.received["a"].data
    assert wire.store.received["b"].data == sender.source.received["b"].data


def test_a_stream_that_is_refused_is_set_aside_with_the_reason_and_the_others_go_on():
    wire = Counted()
    wire.store.received["a"] = ReceivedStream("another project", "r")
    sender = Sender(source(a=3, b=3), wire)
    drained(sender)
    assert sender.routes["a"].state is RouteState.REFUSED
    assert "another project" in sender.routes["a"].reason
    assert sender.count_pending() == 3
    assert list(wire.store.streams(exclude=["a"])) == [Stream("b", "p", "r", len(sender.source.received["b"].data), False)]


class StillWriting(MemoryStore):
    """A source whose last frame is being written while the sizes are taken, and is there when it is read."""

    def streams(self, exclude=()):
        return (stream._replace(size=stream.size - 3) for stream in super().streams(exclude))


def test_a_frame_that_is_being_written_when_the_size_is_taken_is_sent_whole_or_not_at_all():
    wire, streams = Counted(), StillWriting()
    streams.received = source(a=5).received
    drained(Sender(streams, wire))
    assert wire.store.received["a"].data in (heartbeats(0, 4), heartbeats(0, 5))


# -- how many are newly acknowledged


def sent(rounds: list) -> int:
    return sum(said.records for said in rounds)


def test_records_whose_acknowledgement_was_lost_count_once_it_is_known_that_they_arrived():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    sender.run_round()
    wire.loses_answers = True
    with pytest.raises(RemoteUnavailable):
        sender.run_round()
    wire.loses_answers = False
    assert sender.count_pending() == 3
    sender.source.received["a"].data += heartbeats(3, 5)
    assert sent(drained(sender)) == 5
    assert sender.count_pending() == 0


def test_records_that_arrived_just_before_the_server_started_anew_count():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    sender.run_round()
    wire.boot_id = "two"
    assert sent(drained(sender)) == 3


def test_what_a_restored_server_gets_again_does_not_count_again():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    assert sent(drained(sender)) == 3
    wire.boot_id, wire.store = "two", MemoryStore()
    sender.source.received["a"].data += heartbeats(3, 4)
    assert sent(drained(sender)) == 1
    assert wire.store.received["a"].data == heartbeats(0, 4)


def test_what_was_there_before_this_session_does_not_count():
    wire = Counted()
    drained(Sender(source(a=3), wire))
    assert sent(drained(Sender(source(a=5), wire))) == 2


def test_what_is_not_looked_at_yet_is_pending():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    drained(sender)
    sender.source.received |= source(b=4).received
    sender.source.received["a"].data += heartbeats(3, 5)
    assert sender.count_pending() == 6


# -- another server than before


def test_a_greeting_is_enough_to_find_that_all_has_to_be_asked_for_again(tmp_path):
    wire, streams = Counted(), source(a=3)
    streams.received["a"].is_sealed = True
    drained(Sender(streams, wire, AckLog(tmp_path / "acks")))
    wire.boot_id, wire.store = "two", MemoryStore()
    sender = Sender(streams, wire, AckLog(tmp_path / "acks"))
    assert sender.run_round().items == 0, "it has no question: all was acknowledged"
    sender.check_boot_id()
    drained(sender)
    assert wire.store.received["a"].data == heartbeats(0, 3)


def test_a_restored_server_gets_the_beginning_of_a_stream_that_went_on_under_another_name():
    """The folder that the stream was cloned from may be gone."""
    wire, clone = Counted(), source(a=3)
    drained(Sender(source(a=5), wire))
    clone.received["a"].data += heartbeats(10, 12)
    sender = Sender(clone, wire)
    drained(sender)
    assert len(wire.store.received) == 2
    wire.boot_id, wire.store = "two", source(a=2)
    clone.received["a"].data += heartbeats(12, 13)
    drained(sender)
    there = b"".join(kept.data for kept in wire.store.received.values())
    assert there == heartbeats(0, 3) + heartbeats(10, 13)
