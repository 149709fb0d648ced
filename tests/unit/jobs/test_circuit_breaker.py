import pytest

from tasuki.errors import NotFound, RateLimited, RemoteMisconfigured, RemoteUnavailable
from tasuki.jobs.circuit_breaker import CircuitBreaker
from tasuki.testing import FakeClock

DOWN = RemoteUnavailable("down")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def fail(health: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        health.begin_call()
        health.end_call(DOWN)


def test_five_failures_in_a_row_open_the_breaker_for_a_minute(health: CircuitBreaker, clock: FakeClock):
    fail(health, 4)
    health.begin_call()
    health.end_call(None)
    fail(health, 4)
    assert not health.is_degraded
    fail(health)
    assert health.is_degraded
    with pytest.raises(RemoteUnavailable):
        health.begin_call()
    clock.sleep(59.9)
    with pytest.raises(RemoteUnavailable):
        health.begin_call()
    clock.sleep(0.2)
    health.begin_call()


def test_while_it_is_half_open_one_call_is_tried_at_a_time(health: CircuitBreaker, clock: FakeClock):
    fail(health, 5)
    clock.sleep(61)
    health.begin_call()
    with pytest.raises(RemoteUnavailable):
        health.begin_call()
    health.end_call(None)
    health.begin_call()
    assert not health.is_degraded


def test_each_failed_try_doubles_the_break_up_to_ten_minutes(health: CircuitBreaker, clock: FakeClock):
    fail(health, 5)
    breaks = []
    for _ in range(6):
        breaks.append(round(health.wait_seconds))
        clock.sleep(health.wait_seconds + 0.001)
        fail(health)
    assert breaks == [60, 120, 240, 480, 600, 600]


def test_somebody_who_asks_may_try_at_once(health: CircuitBreaker):
    fail(health, 5)
    health.allow_probe()
    health.begin_call()
    health.end_call(None)
    assert not health.is_degraded


@pytest.mark.parametrize(("after", "seconds"), [(7.0, 7.0), (None, 30.0)])
def test_a_429_is_a_pause_and_no_failure(health: CircuitBreaker, clock: FakeClock, after: float | None, seconds: float):
    for _ in range(6):
        health.begin_call()
        health.end_call(RateLimited("enough", retry_after_seconds=after))
        assert health.wait_seconds == seconds
        with pytest.raises(RateLimited):
            health.begin_call()
        clock.sleep(seconds + 0.001)
    assert not health.is_degraded


@pytest.mark.parametrize("error", [RemoteMisconfigured("key"), NotFound("gone")])
def test_a_refusal_is_an_answer(health: CircuitBreaker, error: Exception):
    fail(health, 4)
    health.begin_call()
    health.end_call(error)
    fail(health, 4)
    assert not health.is_degraded
