from tasuki.clock import SYSTEM_CLOCK
from tasuki.records import encode, encode_frame
from tasuki.store import connect_projection, count_missing
from tasuki.store.catch_up import MAX_COUNT_SECONDS, READ_BYTES
from tasuki.testing import FakeClock, MemoryStore
from tasuki.testing.reference_store.received_streams import ReceivedStream
from tests.support.journals import metrics


class Slow(FakeClock):
    """Every look at it takes a tenth of a second."""

    def monotonic(self) -> float:
        self.sleep(0.1)
        return super().monotonic()


def of_streams(count: int, records: int) -> MemoryStore:
    """So many streams of equal records."""
    store = MemoryStore()
    for number in range(count):
        store.received[f"{number:032x}"] = ReceivedStream("p", f"run-{number}")
        store.received[f"{number:032x}"].data = encode_frame(encode(metrics(1))) * records
    return store


def test_what_is_not_projected_is_counted_exactly():
    db = connect_projection(":memory:")
    assert count_missing(db, of_streams(20, 50), clock=SYSTEM_CLOCK) == 1000
    assert count_missing(db, of_streams(0, 0), clock=SYSTEM_CLOCK) == 0
    db.close()


def test_what_can_not_be_counted_in_time_is_taken_from_its_bytes():
    db, clock = connect_projection(":memory:"), Slow()
    store = of_streams(20, 2 * READ_BYTES // len(encode_frame(encode(metrics(1)))))
    exact = sum(len(kept.data) for kept in store.received.values()) // len(encode_frame(encode(metrics(1))))
    began = clock.us
    assert count_missing(db, store, clock=clock) == exact
    assert clock.us - began < (MAX_COUNT_SECONDS + 0.2) * 1e6
    db.close()
