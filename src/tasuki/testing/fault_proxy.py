"""A proxy before an HTTP server that does to requests and answers what networks and other servers do."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Any, NamedTuple, Self

__all__ = ["Fault", "FaultProxy"]

HOST = "127.0.0.1"
SIGN_IN_PAGE = b"<!doctype html><title>Sign in</title><p>Welcome to the airport"
DRIP_SECONDS = 1.0
STATUS_BY_FAULT = {
    "unauthorized": 401,
    "forbidden": 403,
    "missing": 404,
    "bad": 400,
    "conflict": 409,
    "too large": 413,
    "unprocessable": 422,
    "upgrade": 426,
    "502": 502,
    "503": 503,
    "504": 504,
    "portal": 200,
}


class Fault(StrEnum):
    """Fault of a request. The server receives it only with `LOST`, `HALF`, `SLOW` and `DUPLICATE`."""

    NONE = "none"
    LOST = "lost"
    HALF = "half"
    SLOW = "slow"
    DUPLICATE = "duplicate"
    RESET = "reset"
    HANG = "hang"
    PORTAL = "portal"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    BAD = "bad"
    CONFLICT = "conflict"
    TOO_LARGE = "too large"
    UNPROCESSABLE = "unprocessable"
    UPGRADE = "upgrade"
    REDIRECT = "redirect"
    LATER_SECONDS = "429 seconds"
    LATER_DATE = "429 date"
    LATER_GARBAGE = "429 garbage"
    LATER_DAY = "429 a day"


RETRY_AFTER = {
    Fault.LATER_SECONDS: "1",
    Fault.LATER_DATE: "Thu, 01 Jan 2026 00:00:00 GMT",
    Fault.LATER_GARBAGE: "in a while",
    Fault.LATER_DAY: "86400",
}


class ProxiedRequest(NamedTuple):
    """One request, as it came."""

    head: bytes
    body: bytes

    @property
    def is_post(self) -> bool:
        """Return whether the request has a body."""
        return self.head.startswith(b"POST ")


class FaultProxy:
    """Listens at `url` and forwards requests to a local server's `port`.

    A `with` block starts and ends it.

    `fault` is done to each POST; `faults` are drawn from at random, `odds` of the time, by `seed`; `choose` decides by itself,
    given a request's head and body. `counts` says how often each was done.
    """

    def __init__(
        self,
        port: int,
        *,
        fault: Fault = Fault.NONE,
        faults: Iterable[Fault] = (),
        odds: float = 0.3,
        seed: int = 0,
    ) -> None:
        self.port = port
        self.fault = fault
        self.faults = list(faults)
        self.odds = odds
        self.random = random.Random(seed)
        self.choose: Callable[[bytes, bytes], Fault] | None = None
        self.counts: Counter[Fault] = Counter()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="fault-proxy", daemon=True)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.url = ""

    def __enter__(self) -> Self:
        self.thread.start()
        self.server = self.call(asyncio.start_server(self.serve_connection, HOST, 0))
        self.url = f"http://{HOST}:{self.server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run it in the proxy's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def stop(self) -> None:
        """Close everything."""
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def total(self) -> int:
        """Return the number of POSTs."""
        return self.counts.total()

    def choose_fault(self, request: ProxiedRequest) -> Fault:
        """Return the fault of a request; a GET always passes."""
        if not request.is_post:
            return Fault.NONE
        if self.choose is not None:
            fault = self.choose(request.head, request.body)
        elif self.faults:
            fault = self.random.choice(self.faults) if self.random.random() < self.odds else Fault.NONE
        else:
            fault = self.fault
        self.counts[fault] += 1
        return fault

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request by request."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while asked := await read_message(reader):
                if not await self.serve_request(asked, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either end has gone, and the other will notice; or the proxy stops
        finally:
            self.tasks.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def serve_request(self, request: ProxiedRequest, writer: asyncio.StreamWriter) -> bool:
        """Do what is to be done; False ends the connection."""
        fault = self.choose_fault(request)
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        if fault is Fault.RESET:
            writer.transport.abort()
            return False
        if refusal := build_error_response(fault):
            writer.write(refusal)
            await writer.drain()
            return True
        content = await self.forward(request)
        if fault is Fault.DUPLICATE:
            content = await self.forward(request)
        if fault is Fault.LOST:
            return False
        if fault is Fault.HALF:
            writer.write(content[: len(content) // 2])
            await writer.drain()
            return False
        for piece in [content] if fault is not Fault.SLOW else [content[n : n + 1] for n in range(len(content))]:
            writer.write(piece)
            await writer.drain()
            if fault is Fault.SLOW:
                await asyncio.sleep(DRIP_SECONDS)
        return True

    async def forward(self, request: ProxiedRequest) -> bytes:
        """Return the server's response."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            answer = await read_message(reader)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        if answer is None:
            raise ConnectionResetError("the server has gone")
        return answer.head + answer.body


async def read_message(reader: asyncio.StreamReader) -> ProxiedRequest | None:
    """A request or an answer, whole; None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return ProxiedRequest(head, await reader.readexactly(length))


def build_error_response(fault: Fault) -> bytes | None:
    """The answer of somebody who does not pass the request on."""
    if fault in RETRY_AFTER:
        return build_response(429, f"Retry-After: {RETRY_AFTER[fault]}\r\n")
    if fault is Fault.REDIRECT:
        return build_response(307, "Location: http://sign-in.example/\r\n")
    status = STATUS_BY_FAULT.get(fault)
    return None if status is None else build_response(status)


def build_response(status: int, extra_headers: str = "") -> bytes:
    """An answer with a page for people."""
    return (
        f"HTTP/1.1 {status} So\r\nContent-Type: text/html\r\n{extra_headers}Content-Length: {len(SIGN_IN_PAGE)}\r\n\r\n".encode()
        + SIGN_IN_PAGE
    )
