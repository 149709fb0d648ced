"""What goes into one request, and what is made of the answers; `tests/model` has everything that can go wrong between."""

import pytest

from tasuki.errors import RemoteUnavailable
from tasuki.journal import Stream
from tasuki.records import Heartbeat, Item, Replicated, encode, frame
from tasuki.relay import Sender, State
from tasuki.relay.sender import BATCH_BYTES
from tasuki.testing import MemoryStore
from tasuki.testing.memory import Received


class Counted:
    """A transport that keeps the requests, and fails when it is told to."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.requests: list[list[Item]] = []
        self.down = False
        self.boot_id = "one"

    def replicate(self, items):
        self.requests.append(list(items))
        if self.down:
            raise RemoteUnavailable("down")
        return Replicated(items=self.store.append(items), boot_id=self.boot_id)


def source(**streams: int) -> MemoryStore:
    """Streams by writer, of so many heartbeats."""
    store = MemoryStore()
    for writer, records in streams.items():
        store.received[writer] = Received("p", "r")
        store.received[writer].data = b"".join(frame(encode(Heartbeat(time=time))) for time in range(records))
    return store


def drained(sender: Sender) -> list:
    rounds = []
    while (said := sender.once()).items:
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
    assert sender.once().items == 0
    assert len(wire.requests) == requests


def test_a_request_has_about_a_mebibyte_and_every_stream_gets_its_share():
    wire = Counted()
    streams = source(a=200_000, b=10, c=10)
    drained(Sender(streams, wire))
    assert {item.writer for item in wire.requests[1]} == {"a", "b", "c"}
    assert wire.store.received["a"].data == streams.received["a"].data
    assert len(streams.received["a"].data) > 3 * BATCH_BYTES
    assert len(wire.requests) > 4


def test_a_failed_request_changes_nothing():
    wire = Counted()
    sender = Sender(source(a=3), wire)
    sender.once()
    wire.down = True
    with pytest.raises(RemoteUnavailable):
        sender.once()
    assert sender.pending() == 3
    wire.down = False
    assert drained(sender)[0].records == 3
    assert sender.pending() == 0


def test_a_server_that_started_anew_is_asked_for_everything_again():
    wire = Counted()
    sender = Sender(source(a=3, b=3), wire)
    sender.source.received["a"].sealed = True
    drained(sender)
    wire.boot_id, wire.store = "two", MemoryStore()
    sender.source.received["b"].data += frame(encode(Heartbeat(time=9)))
    drained(sender)
    assert wire.store.received["a"].data == sender.source.received["a"].data
    assert wire.store.received["b"].data == sender.source.received["b"].data


def test_a_stream_that_is_refused_is_set_aside_with_the_reason_and_the_others_go_on():
    wire = Counted()
    wire.store.received["a"] = Received("another project", "r")
    sender = Sender(source(a=3, b=3), wire)
    drained(sender)
    assert sender.routes["a"].state is State.ASIDE
    assert "another project" in sender.routes["a"].reason
    assert sender.pending() == 3
    assert list(wire.store.streams(known=["a"])) == [Stream("b", "p", "r", len(sender.source.received["b"].data), False)]
