"""How much one request, and all of them together, may take."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request

from tasuki.server.problems import Refusal

__all__ = ["MAX_BODY_BYTES", "MAX_JSON_BYTES", "Bodies"]

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_JSON_BYTES = 8 * 1024 * 1024
BUSY_SECONDS = 1


class Bodies:
    """The bodies that are held in memory at one time, from the first byte to the answer."""

    def __init__(self, limit_bytes: int = 4 * MAX_BODY_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request[Any, Any, Any], limit_bytes: int) -> AsyncIterator[bytes]:
        """The body, for the block. Refusal (413) for one that is too large, (429) when too much is held already."""
        size = 0
        parts = []
        try:
            for stated in stated_length(request):
                if stated > limit_bytes:
                    raise too_large(limit_bytes)
                if self.held_bytes + stated > self.limit_bytes:
                    raise self.busy()
            async for part in request.stream():
                size += len(part)
                self.held_bytes += len(part)
                if size > limit_bytes:
                    raise too_large(limit_bytes)
                if self.held_bytes > self.limit_bytes:
                    raise self.busy()
                parts.append(part)
            yield b"".join(parts)
        finally:
            self.held_bytes -= size

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
