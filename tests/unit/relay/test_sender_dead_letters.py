"""What the sender does with each answer that is not what it hoped for: the table in the design, row by row."""

import pytest

from tasuki.errors import RemoteMisconfigured, RemoteUnavailable, RequestRejected, RequestTooLarge
from tasuki.journal import Stream
from tasuki.records import Heartbeat, RunUpdated, encode, encode_frame, iterate_frames, unpack_item
from tasuki.relay import AckLog, Backoff, DeadLetterLog, RemoteHealth, RouteState, Sender
from tasuki.relay.sender import MAX_BATCH_BYTES
from tasuki.relay.state.dead_letters import build_retry_item
from tasuki.testing import FakeClock, MemoryStore
from tests.unit.relay.test_sender import Counted, drained, heartbeats, source

WRITERS = [f"{n:02}" for n in range(100)]
BAD = encode_frame(encode(RunUpdated(time=50, notes="bad" * 50)))


class Picky(Counted):
    """A receiver that refuses any request with the bad frame in it, or with more bytes than it likes."""

    def __init__(self, error=RequestRejected, most_bytes: int = 1 << 40) -> None:
        super().__init__()
        self.error = error
        self.most_bytes = most_bytes
        self.learned = False

    def replicate(self, items):
        data = [unpack_item(item.data) for item in items if item.data]
        if not self.learned and any(BAD in piece for piece in data):
            raise self.error("422: the notes are bad")
        if sum(map(len, data)) > self.most_bytes:
            raise RequestTooLarge("413: too large")
        return super().replicate(items)

    def everything(self) -> list[bytes]:
        return sorted(payload for kept in self.store.received.values() for _, payload in iterate_frames(kept.data))


class Down(Counted):
    def __init__(self, error) -> None:
        super().__init__()
        self.error = error

    def replicate(self, items):
        self.requests.append(list(items))
        raise self.error


def with_bad(before: int, after: int) -> bytes:
    return heartbeats(0, before) + BAD + heartbeats(before, before + after)


def payloads(*data: bytes) -> list[bytes]:
    return sorted(payload for piece in data for _, payload in iterate_frames(piece))


# -- network errors, 408, 425, 5xx, 429


def test_failures_are_backed_off_from_with_full_jitter_from_a_second_to_a_minute_for_ever():
    patience = Backoff(draw_uniform=lambda low, high: high)
    waits = [patience.record_failure(RemoteUnavailable("down")) for _ in range(2000)]
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(waits[6:]) == {60}
    assert Backoff(draw_uniform=lambda low, high: low).record_failure(RemoteUnavailable("down")) == 0
    assert patience.health is RemoteHealth.BACKING_OFF
    patience.record_success()
    assert patience.record_failure(RemoteUnavailable("down")) == 1


def test_a_wait_that_was_asked_for_holds_for_those_in_a_hurry_too():
    patience = Backoff()
    assert patience.record_failure(RemoteUnavailable("429", retry_after_seconds=7)) == 7
    assert patience.has_retry_after
    patience.record_failure(RemoteUnavailable("down"))
    assert not patience.has_retry_after


# -- 401, 403, 404, redirects, 426


def test_a_remote_that_takes_nothing_is_paused_and_probed_once_a_minute_and_nothing_is_lost():
    patience, sender = Backoff(), Sender(source(a=3), Down(RemoteMisconfigured("401")))
    for _ in range(3):
        with pytest.raises(RemoteMisconfigured) as raised:
            sender.run_round()
        assert patience.record_failure(raised.value) == 60
    assert patience.health is RemoteHealth.PAUSED
    assert sender.count_pending() == 3


# -- 413


def test_a_batch_that_is_too_large_is_halved_until_it_fits():
    wire, streams = Picky(most_bytes=20_000), source(a=20_000)
    sender = Sender(streams, wire)
    drained(sender)
    assert len(streams.received["a"].data) > MAX_BATCH_BYTES / 4
    assert wire.store.received["a"].data == streams.received["a"].data
    assert sender.dead_letters.list_undelivered() == []


def test_one_frame_that_is_too_large_is_set_aside_and_the_stream_goes_on_as_a_new_writer():
    wire, streams = Picky(RequestTooLarge, most_bytes=100), source(a=0)
    streams.received["a"].data = with_bad(3, 4)
    sender = Sender(streams, wire, clock=FakeClock())
    drained(sender)
    assert wire.everything() == payloads(heartbeats(0, 7))
    (aside,) = sender.dead_letters.list_undelivered()
    assert (aside.writer, aside.start, aside.end) == ("a", len(heartbeats(0, 3)), len(heartbeats(0, 3) + BAD))
    assert "bad" in aside.reason
    assert sender.count_pending() == 1


# -- 400, 409, 422


def test_of_100_streams_one_of_which_is_refused_99_arrive_and_of_that_all_but_the_one_frame():
    wire, streams = Picky(), source(**dict.fromkeys(WRITERS, 2))
    streams.received["42"].data = with_bad(2, 2)
    sender = Sender(streams, wire)
    drained(sender)
    assert wire.everything() == payloads(*[heartbeats(0, 2)] * 99, heartbeats(0, 4))
    assert [aside.writer for aside in sender.dead_letters.list_undelivered()] == ["42"]
    assert len(wire.requests) < 40


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 1), (1, 0), (50, 49)])
def test_a_refused_frame_anywhere_costs_only_itself(before, after):
    wire, streams = Picky(), source(a=0)
    streams.received["a"].data = with_bad(before, after)
    streams.received["a"].is_sealed = True
    sender = Sender(streams, wire)
    drained(sender)
    assert wire.everything() == payloads(heartbeats(0, before + after))
    assert sender.count_pending() == len(sender.dead_letters.list_undelivered()) == 1


def test_a_refused_question_sets_that_stream_aside():
    class Refuses(Counted):
        def replicate(self, items):
            if any(item.writer == "a" for item in items):
                raise RequestRejected("409: not this one")
            return super().replicate(items)

    wire = Refuses()
    sender = Sender(source(a=3, b=3), wire)
    drained(sender)
    assert wire.store.received["b"].data == heartbeats(0, 3)
    assert [(aside.writer, aside.end) for aside in sender.dead_letters.list_undelivered()] == [("a", None)]


@pytest.mark.parametrize("error", [RequestRejected("400"), RequestTooLarge("413")])
def test_who_refuses_even_an_empty_request_takes_nothing_and_nothing_is_set_aside(error):
    sender = Sender(source(a=3, b=3), Down(error))
    with pytest.raises(RemoteMisconfigured, match="even to an empty request"):
        drained(sender)
    assert sender.dead_letters.list_undelivered() == []
    assert sender.count_pending() == 6


# -- set aside, on disk


def test_what_is_set_aside_stays_so_in_the_next_session_and_after_the_server_has_started_anew(tmp_path):
    wire, streams = Picky(), source(a=0)
    streams.received["a"].data = with_bad(3, 4)
    for boot in ("one", "one", "two"):
        wire.boot_id = boot
        sender = Sender(streams, wire, AckLog(tmp_path / "acks"), DeadLetterLog(tmp_path / "aside"))
        sender.check_boot_id()
        drained(sender)
        assert wire.everything() == payloads(heartbeats(0, 7))
        assert len(sender.dead_letters.list_undelivered()) == 1
    wire.store, wire.boot_id, wire.learned = MemoryStore(), "three", True
    sender = Sender(streams, wire, AckLog(tmp_path / "acks"), DeadLetterLog(tmp_path / "aside"))
    sender.check_boot_id()
    drained(sender)
    assert wire.everything() == payloads(heartbeats(0, 7)), "what follows must not be there twice"
    (item,) = [build_retry_item(streams, aside) for aside in sender.dead_letters.list_undelivered()]
    wire.replicate([item])
    assert wire.everything() == payloads(with_bad(3, 4))


def test_a_stream_that_was_rejected_is_not_tried_again_by_itself(tmp_path):
    wire = Counted()
    wire.store = source(a=0)
    wire.store.received["a"].project = "another"
    drained(Sender(source(a=3, b=3), wire, None, DeadLetterLog(tmp_path / "aside")))
    sender = Sender(source(a=3, b=3), wire, None, DeadLetterLog(tmp_path / "aside"))
    drained(sender)
    assert sender.routes["a"].state is RouteState.REFUSED
    assert "another" in sender.dead_letters.streams["a"].reason
    assert list(wire.store.streams(exclude=["a"])) == [Stream("b", "p", "r", len(heartbeats(0, 3)), False)]


def test_a_torn_line_of_what_is_set_aside_is_passed_over(tmp_path):
    wire, streams = Picky(), source(a=0)
    streams.received["a"].data = with_bad(1, 1)
    drained(Sender(streams, wire, None, DeadLetterLog(tmp_path / "aside")))
    with (tmp_path / "aside").open("ab") as file:
        file.write(b'{"project": "p", "wri')
    assert len(DeadLetterLog(tmp_path / "aside").list_undelivered()) == 1


def test_a_slow_line_gets_smaller_pieces_and_larger_ones_again_once_they_pass():
    wire = Counted()
    sender = Sender(source(a=200_000), wire)
    sender.run_round()
    wire.down = True
    for _ in range(10):
        with pytest.raises(RemoteUnavailable):
            sender.run_round()
    smallest = len(unpack_item(wire.requests[-1][0].data))
    wire.down = False
    drained(sender)
    assert smallest < MAX_BATCH_BYTES / 32
    assert max(len(unpack_item(item.data)) for request in wire.requests for item in request if item.data) > MAX_BATCH_BYTES / 2
    assert encode_frame(encode(Heartbeat(time=199_999))) in wire.store.received["a"].data
