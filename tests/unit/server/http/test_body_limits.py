import asyncio

import pytest

from tasuki.server.auth.rate_limits import MIN_SEND_INTERVAL_MS, BandwidthLimit, RequestWindow
from tasuki.server.http.body_limits import BodyReader
from tasuki.server.http.problems import HttpProblem
from tasuki.testing import FakeClock


def test_who_waits_as_told_is_never_refused_and_sends_at_the_pace():
    clock = FakeClock()
    pace = BandwidthLimit(1000, 5000, clock=clock)
    began = clock.monotonic()
    for _ in range(50):
        pace.check("a")
        clock.sleep(pace.spend("a", 3000) / 1000)
    assert clock.monotonic() - began == pytest.approx(150, rel=0.01)


def test_who_does_not_wait_is_refused_until_the_debt_is_paid_and_others_are_not():
    clock = FakeClock()
    pace = BandwidthLimit(1000, 5000, clock=clock)
    pace.spend("a", 9000)
    with pytest.raises(HttpProblem) as refusal:
        pace.check("a")
    assert (refusal.value.status, refusal.value.retry_after_seconds) == (429, 9)
    pace.check("b")
    clock.sleep(4.1)
    pace.check("a")


def test_a_little_is_asked_to_come_once_a_second():
    assert BandwidthLimit(1000, 5000, clock=FakeClock()).spend("a", 10) == MIN_SEND_INTERVAL_MS


def test_a_window_holds_so_many_of_each_key():
    window = RequestWindow(600, 60)
    for _ in range(600):
        window.acquire("a")
    with pytest.raises(HttpProblem) as refusal:
        window.acquire("a")
    assert refusal.value.status == 429
    assert 1 <= refusal.value.retry_after_seconds <= 60
    window.acquire("b")


class Slow:
    """A request whose body never ends."""

    def __init__(self) -> None:
        self.headers = {"content-length": "100"}

    async def stream(self):
        yield b"x"
        await asyncio.Event().wait()


def test_a_body_that_does_not_come_is_not_waited_for():
    bodies = BodyReader(timeout_seconds=0)

    async def read():
        async with bodies.read(Slow(), 1000):
            pass

    with pytest.raises(HttpProblem) as refusal:
        asyncio.run(read())
    assert refusal.value.status == 408
    assert bodies.buffered_bytes == 0


class Body:
    """A request with a body of so many bytes, in parts of 10."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.headers: dict[str, str] = {}

    async def stream(self):
        for start in range(0, self.size, 10):
            yield b"x" * min(10, self.size - start)


def read_body(bodies: BodyReader, size: int, limit_bytes: int) -> bytes:
    async def read() -> bytes:
        async with bodies.read(Body(size), limit_bytes) as body:
            return bytes(body)

    return asyncio.run(read())


def test_a_body_may_be_as_large_as_its_limit_and_not_a_byte_larger():
    bodies = BodyReader()
    assert len(read_body(bodies, 100, 100)) == 100
    with pytest.raises(HttpProblem) as refusal:
        read_body(bodies, 101, 100)
    assert refusal.value.status == 413
    assert bodies.buffered_bytes == 0


def test_all_bodies_together_may_be_as_large_as_the_servers_limit_and_not_a_byte_larger():
    assert len(read_body(BodyReader(limit_bytes=100), 100, 1000)) == 100
    with pytest.raises(HttpProblem) as refusal:
        read_body(BodyReader(limit_bytes=100), 101, 1000)
    assert (refusal.value.status, refusal.value.retry_after_seconds) == (429, 1)
