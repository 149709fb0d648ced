"""Rate limits: bytes per second per token name, and requests per time window."""

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
    """Bytes per second for each sender. Sent bytes are a debt that decreases with time.

    `bytes_per_second` (default: 16 MiB) is the sustained rate, `burst_bytes` (default: 64 MiB) the debt at which requests
    are refused. A sender that waits the interval that `spend` returns is never refused.
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
        """Raise 429 if the sender's debt exceeds the burst."""
        seconds = self.debt_seconds(name)
        if seconds * self.bytes_per_second > self.burst_bytes:
            detail = f"more than {self.bytes_per_second:,} bytes a second were sent under this token's name"
            raise HttpProblem(
                429, detail, error="too-fast", hint="wait as long as next_after_ms says", retry_after_seconds=math.ceil(seconds)
            )

    def spend(self, name: str, size: int) -> int:
        """Record sent bytes. Return the milliseconds the sender must wait before its next request."""
        if len(self.debt_free_at) > MAX_TRACKED_NAMES:
            now = self.clock.monotonic()
            self.debt_free_at = {one: free for one, free in self.debt_free_at.items() if free > now}
        seconds = self.debt_seconds(name) + size / self.bytes_per_second
        self.debt_free_at[name] = self.clock.monotonic() + seconds
        return max(MIN_SEND_INTERVAL_MS, math.ceil(1000 * seconds))

    def debt_seconds(self, name: str) -> float:
        """Return the seconds until the sender's debt reaches zero."""
        return max(0.0, self.debt_free_at.get(name, 0.0) - self.clock.monotonic())


class RequestWindow:
    """At most `requests` requests per key within any `seconds` seconds."""

    def __init__(self, requests: int, seconds: int) -> None:
        self.limit = RateLimitItemPerSecond(requests, seconds)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    def acquire(self, key: str) -> None:
        """Record a request. Raise 429 with Retry-After if the window is full."""
        if not self.limiter.hit(self.limit, key):
            reset, _ = self.limiter.get_window_stats(self.limit, key)
            wait = max(1, math.ceil(reset - SYSTEM_CLOCK.now_us() / 1_000_000))
            raise HttpProblem(
                429,
                f"more than {self.limit.amount} requests in {self.limit.get_expiry()} s",
                error="too-fast",
                retry_after_seconds=wait,
            )
