"""The only place that tells time: wall clocks in microseconds UTC, pauses in seconds."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

wall_ns = time.time_ns
"""Nanoseconds since 1970 UTC, as a bare builtin for the one path where a method call is too dear."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Interface of time; `tasuki.testing.FakeClock` is the other implementation."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


def datetime_from_us(us: int) -> datetime:
    """An aware datetime (UTC) from microseconds since 1970."""
    return datetime.fromtimestamp(us / 1_000_000, tz=UTC)


def us_from_datetime(moment: datetime) -> int:
    """Microseconds since 1970 from a datetime; one without a zone is local."""
    return (moment.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
