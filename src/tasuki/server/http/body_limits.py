"""Limits for request bodies: bytes per body, bytes of all buffered bodies, seconds to receive one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request

from tasuki.server.http.problems import HttpProblem

__all__ = ["MAX_BODY_BYTES", "MAX_JSON_BYTES", "BodyReader"]

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_JSON_BYTES = 8 * 1024 * 1024
RETRY_SECONDS = 1
BODY_TIMEOUT_SECONDS = 60.0
"""The slowest sender that is waited for: 32 MiB at 4 Mbit/s."""


class BodyReader:
    """Reads bodies into memory, and limits the bytes of all bodies held from first byte to response.

    `limit_bytes`: limit for all bodies together (default: 128 MiB). `timeout_seconds`: limit for receiving one (default: 60).
    """

    def __init__(self, limit_bytes: int = 4 * MAX_BODY_BYTES, *, timeout_seconds: float = BODY_TIMEOUT_SECONDS) -> None:
        self.limit_bytes = limit_bytes
        self.timeout_seconds = timeout_seconds
        self.buffered_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request[Any, Any, Any], limit_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body.

        Raise 408 if it is too slow, 413 if it is too large, 429 if too many bytes are buffered.
        The bytes count as buffered until the block ends. `limit_bytes`: limit for this body.
        """
        parts: list[bytes] = []
        try:
            for stated in parse_content_length(request):
                self.check(stated, self.buffered_bytes + stated, limit_bytes)
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    await self.collect(request, parts, limit_bytes)
            except TimeoutError as error:
                raise HttpProblem(
                    408, f"the body did not come within {self.timeout_seconds:g} s", hint="send fewer items at once"
                ) from error
            yield b"".join(parts)
        finally:
            self.buffered_bytes -= sum(map(len, parts))

    async def collect(self, request: Request[Any, Any, Any], components: list[bytes], limit_bytes: int) -> None:
        """Append the body's parts as they arrive, and check the limits after each."""
        size = 0
        async for part in request.stream():
            components.append(part)
            size += len(part)
            self.buffered_bytes += len(part)
            self.check(size, self.buffered_bytes, limit_bytes)

    def check(self, size: int, buffered_bytes: int, limit_bytes: int) -> None:
        """Raise 413 if one body exceeds its limit, 429 if all bodies together exceed theirs."""
        if size > limit_bytes:
            raise too_large_problem(limit_bytes)
        if buffered_bytes > self.limit_bytes:
            raise self.busy_problem()

    def busy_problem(self) -> HttpProblem:
        """Build the 429 problem for too many buffered bytes."""
        return HttpProblem(
            429, "the server holds as many requests as it can", hint="send it again", retry_after_seconds=RETRY_SECONDS
        )


def parse_content_length(request: Request[Any, Any, Any]) -> list[int]:
    """Return the Content-Length as a list of one number; empty if the header is missing or malformed."""
    text = request.headers.get("content-length", "")
    return [int(text)] if text.isascii() and text.isdigit() else []


def too_large_problem(limit_bytes: int) -> HttpProblem:
    """Build the 413 problem for a body over its limit."""
    return HttpProblem(413, f"the body has more than {limit_bytes} bytes", hint="send fewer items at once")
