"""A clock that stands still until it is told to move."""

__all__ = ["FakeClock"]


class FakeClock:
    """A `Clock` for tests: sleeping moves it."""

    def __init__(self, now_us: int = 1_800_000_000_000_000) -> None:
        self.us = now_us

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return self.us

    def monotonic(self) -> float:
        """Seconds that never go back, while `us` is only moved forward."""
        return self.us / 1_000_000

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.us += round(seconds * 1_000_000)
