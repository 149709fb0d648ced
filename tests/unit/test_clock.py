import time
from datetime import UTC, datetime

import pytest

from tasuki.clock import SYSTEM_CLOCK, Clock, datetime_from_us, wall_ns
from tasuki.testing import FakeClock


def test_the_systems_time_is_microseconds_since_1970():
    before = time.time_ns() // 1000
    now = SYSTEM_CLOCK.now_us()
    assert before <= now <= wall_ns() // 1000


def test_a_time_in_microseconds_becomes_an_aware_datetime():
    assert datetime_from_us(1_800_000_000_123_456) == datetime(2027, 1, 15, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("clock", [SYSTEM_CLOCK, FakeClock()], ids=["system", "fake"])
def test_sleeping_moves_both_times_of_a_clock(clock: Clock):
    wall, monotonic = clock.now_us(), clock.monotonic()
    clock.sleep(0.002)
    assert clock.now_us() - wall >= 2000
    assert clock.monotonic() - monotonic >= 0.0019
