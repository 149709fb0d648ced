"""Rate limits: bytes per second for each address and token, and requests per time window."""

import math

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.server.http.problems import HttpProblem

__all__ = ["MIN_SEND_INTERVAL_MS", "BandwidthLimit", "RequestWindow"]

MIN_SEND_INTERVAL_MS = 1000
BYTES_PER_SECOND = 16 * 1024 * 1024
BURST_BYTES = 64 * 1024 * 1024
MAX_TRACKED_NAMES = 10_000


class BandwidthLimit:
    """Bytes per second of each sender.

    Bytes sent are a debt that time pays off; a sender that waits is never refused.
    """

    def __init__(
        self, bytes_per_second: int = BYTES_PER_SECOND, burst_bytes: int = BURST_BYTES, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.bytes_per_second = bytes_per_second
        self.burst_bytes = burst_bytes
        self.clock = clock
        self.debt_free_at: dict[str, float] = {}
        """When everyone's debt is paid off."""

    def check(self, name: str) -> None:
        """Refusal (429) for one who owes more than a burst."""
        seconds = self.debt_seconds(name)
        if seconds * self.bytes_per_second > self.burst_bytes:
            detail = f"more than {self.bytes_per_second:,} bytes a second were sent under this token's name"
            raise HttpProblem(
                429, detail, error="too-fast", hint="wait as long as next_after_ms says", retry_after_seconds=math.ceil(seconds)
            )

    def spend(self, name: str, size: int) -> int:
        """Note what was sent; returns for how many milliseconds the sender is asked to stay away."""
        if len(self.debt_free_at) > MAX_TRACKED_NAMES:
            now = self.clock.monotonic()
            self.debt_free_at = {one: free for one, free in self.debt_free_at.items() if free > now}
        seconds = self.debt_seconds(name) + size / self.bytes_per_second
        self.debt_free_at[name] = self.clock.monotonic() + seconds
        return max(MIN_SEND_INTERVAL_MS, math.ceil(1000 * seconds))

    def debt_seconds(self, name: str) -> float:
        """Return the seconds until a sender has no debt."""
        return max(0.0, self.debt_free_at.get(name, 0.0) - self.clock.monotonic())


class RequestWindow:
    """So many requests in any so many seconds, for each key."""

    def __init__(self, requests: int, seconds: int) -> None:
        self.limit = RateLimitItemPerSecond(requests, seconds)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    def acquire(self, key: str) -> None:
        """Note a request. Refusal (429) for one too many, with when to come again."""
        if not self.limiter.hit(self.limit, key):
            reset, _ = self.limiter.get_window_stats(self.limit, key)
            wait = max(1, math.ceil(reset - SYSTEM_CLOCK.now_us() / 1_000_000))
            raise HttpProblem(
                429,
                f"more than {self.limit.amount} requests in {self.limit.get_expiry()} s",
                error="too-fast",
                retry_after_seconds=wait,
            )
