"""`GET /api/events`: stream change events as server-sent events."""

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

from litestar import asgi
from litestar.types import Receive, Send
from litestar.types import Scope as Connection

from tasuki.server.auth.guards import header, needs
from tasuki.server.auth.principal import Scope
from tasuki.server.http.problems import HttpProblem, send_problem
from tasuki.server.workers.event_hub import EventHub, EventId, Subscriber, asked_for, named

__all__ = ["event_stream"]

HEARTBEAT_SECONDS = 15.0
RETRY_SECONDS = 5
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class EventStream:
    """One response: from the first message to the reader's end, or ours."""

    def __init__(self, hub: EventHub, reader: Subscriber, send: Send) -> None:
        self.hub = hub
        self.reader = reader
        self.transmit = send
        self.here = hub.place

    async def run(self, since: EventId | None) -> None:
        """Say hello, replay what was missed, then go on with what comes."""
        await self.transmit({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self.send(named("connection", since or self.here, boot_id=self.hub.boot_id))
        if since is not None:
            missed = await self.hub.missed(since, self.here, self.reader)
            gone = [named("reset", self.here, reason="these events are not kept any more")]
            await self.send(*(gone if missed is None else missed))
        while not self.hub.closing.is_set() and not self.reader.ended:
            await self.go_on()
        await self.transmit({"type": "http.response.body", "body": b"", "more_body": False})

    async def go_on(self) -> None:
        """Send what is there, or, when nothing comes for a while, a sign of life."""
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self.reader.news.wait()
        except TimeoutError:
            # all up to the hub's place has been sent, or was not for this reader: it need not be replayed
            await self.send(named("heartbeat", None if self.reader.news.is_set() else self.hub.place))
            return
        self.reader.news.clear()
        if self.reader.lost:
            self.reader.lost = False  # before anything is awaited: what comes from here on is behind the reset's place
            await self.send(named("reset", self.hub.place, reason="too slow, or the store was built again"))
        messages = list(self.reader.waiting)
        self.reader.waiting.clear()
        await self.send(*messages)

    async def send(self, *messages: bytes) -> None:
        """Send, for as long as the reader takes it. TimeoutError for one that has stopped reading."""
        if messages:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self.transmit({"type": "http.response.body", "body": b"".join(messages), "more_body": True})


@asgi("/api/events", copy_scope=False, opt=needs(Scope.READ))
async def event_stream(scope: Connection, receive: Receive, send: Send) -> None:
    """A stream for whoever asks, while there is room for their address."""
    hub: EventHub = scope["litestar_app"].state.hub
    address = client_address(scope, hub.trusted)
    if hub.addresses[address] >= hub.per_address:
        detail = f"{address} has {hub.per_address} event streams open"
        await send_problem(send, HttpProblem(429, detail, error="too-many-connections", wait=RETRY_SECONDS))
        return
    projects, since = asked_for(scope)
    reader = Subscriber(scope["auth"], projects)
    stream = EventStream(hub, reader, send)
    hub.addresses[address] += 1
    hub.listening.add(reader)
    try:
        await until_gone(stream.run(since), receive)
    finally:
        hub.listening.discard(reader)
        hub.addresses[address] -= 1
        if not hub.addresses[address]:
            del hub.addresses[address]


def client_address(scope: Any, trusted: Collection[str]) -> str:
    """Who is at the other end: what a proxy says of that is believed of trusted ones alone, as far as those go."""
    address = str((scope.get("client") or ("", 0))[0])
    for before in reversed(header(scope, b"x-forwarded-for").split(",")):
        if address not in trusted or not before.strip():
            break
        address = before.strip()
    return address


async def until_gone(stream: Coroutine[None, None, None], receive: Receive) -> None:
    """Run the stream until it ends, or the reader does."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.create_task(stream), asyncio.create_task(gone())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(TimeoutError):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
