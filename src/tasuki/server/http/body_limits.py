"""How much one request may take, all of them together, and everyone in a while."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from litestar import Request

from tasuki.clock import SYSTEM, Clock
from tasuki.server.http.problems import Refusal

__all__ = ["MAX_BODY_BYTES", "MAX_JSON_BYTES", "PACE_MS", "Bodies", "Pace", "Window"]

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_JSON_BYTES = 8 * 1024 * 1024
BUSY_SECONDS = 1
BODY_SECONDS = 60.0
"""The slowest sender that is waited for: 32 MiB at 4 Mbit/s."""
PACE_MS = 1000
BYTES_A_SECOND = 16 * 1024 * 1024
BURST_BYTES = 64 * 1024 * 1024
MOST_PACED = 10_000


class Bodies:
    """The bodies that are held in memory at one time, from the first byte to the answer."""

    def __init__(self, limit_bytes: int = 4 * MAX_BODY_BYTES, *, seconds: float = BODY_SECONDS) -> None:
        self.limit_bytes = limit_bytes
        self.seconds = seconds
        self.held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request[Any, Any, Any], limit_bytes: int) -> AsyncIterator[bytes]:
        """The body, for the block. Refusal (408) for one that is too slow, (413) too large, (429) when too much is held already."""
        parts: list[bytes] = []
        try:
            for stated in stated_length(request):
                self.check(stated, self.held_bytes + stated, limit_bytes)
            try:
                async with asyncio.timeout(self.seconds):
                    await self.collect(request, parts, limit_bytes)
            except TimeoutError as error:
                raise Refusal(408, f"the body did not come within {self.seconds:g} s", hint="send fewer items at once") from error
            yield b"".join(parts)
        finally:
            self.held_bytes -= sum(map(len, parts))

    async def collect(self, request: Request[Any, Any, Any], parts: list[bytes], limit_bytes: int) -> None:
        """Add the body's parts as they come."""
        size = 0
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            self.held_bytes += len(part)
            self.check(size, self.held_bytes, limit_bytes)

    def check(self, size: int, held_bytes: int, limit_bytes: int) -> None:
        """Refusal for too much in one body (413), or in all of them (429)."""
        if size > limit_bytes:
            raise too_large(limit_bytes)
        if held_bytes > self.limit_bytes:
            raise self.busy()

    def busy(self) -> Refusal:
        """Too much at once."""
        return Refusal(429, "the server holds as many requests as it can", hint="send it again", wait=BUSY_SECONDS)


def stated_length(request: Request[Any, Any, Any]) -> list[int]:
    """The Content-Length, if there is one that can be read."""
    text = request.headers.get("content-length", "")
    return [int(text)] if text.isascii() and text.isdigit() else []


def too_large(limit_bytes: int) -> Refusal:
    """More than one request may have."""
    return Refusal(413, f"the body has more than {limit_bytes} bytes", hint="send fewer items at once")


class Pace:
    """Bytes a second for everyone who sends. What is sent is a debt that time pays off; who waits as told is never refused."""

    def __init__(self, bytes_a_second: int = BYTES_A_SECOND, burst_bytes: int = BURST_BYTES, *, clock: Clock = SYSTEM) -> None:
        self.bytes_a_second = bytes_a_second
        self.burst_bytes = burst_bytes
        self.clock = clock
        self.free_at: dict[str, float] = {}
        """When everyone's debt is paid off."""

    def check(self, name: str) -> None:
        """Refusal (429) for one who owes more than a burst."""
        seconds = self.owed_seconds(name)
        if seconds * self.bytes_a_second > self.burst_bytes:
            detail = f"more than {self.bytes_a_second:,} bytes a second were sent under this token's name"
            raise Refusal(429, detail, error="too-fast", hint="wait as long as next_after_ms says", wait=math.ceil(seconds))

    def spend(self, name: str, size: int) -> int:
        """Note what was sent; returns for how many milliseconds the sender is asked to stay away."""
        if len(self.free_at) > MOST_PACED:
            now = self.clock.monotonic()
            self.free_at = {one: free for one, free in self.free_at.items() if free > now}
        seconds = self.owed_seconds(name) + size / self.bytes_a_second
        self.free_at[name] = self.clock.monotonic() + seconds
        return max(PACE_MS, math.ceil(1000 * seconds))

    def owed_seconds(self, name: str) -> float:
        """How long it takes until somebody owes nothing."""
        return max(0.0, self.free_at.get(name, 0.0) - self.clock.monotonic())


class Window:
    """So many requests in any so many seconds, for each key."""

    def __init__(self, requests: int, seconds: int) -> None:
        self.limit = RateLimitItemPerSecond(requests, seconds)
        self.windows = MovingWindowRateLimiter(MemoryStorage())

    def take(self, key: str) -> None:
        """Note a request. Refusal (429) for one too many, with when to come again."""
        if not self.windows.hit(self.limit, key):
            reset, _ = self.windows.get_window_stats(self.limit, key)
            wait = max(1, math.ceil(reset - SYSTEM.now_us() / 1_000_000))
            raise Refusal(
                429, f"more than {self.limit.amount} requests in {self.limit.get_expiry()} s", error="too-fast", wait=wait
            )
