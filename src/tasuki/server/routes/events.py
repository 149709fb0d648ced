"""`GET /api/events`: stream change events as server-sent events."""

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

from litestar import asgi
from litestar.types import Receive, Send
from litestar.types import Scope as Connection

from tasuki.server.auth.guards import get_header, requires
from tasuki.server.auth.principal import Scope
from tasuki.server.http.problems import HttpProblem, send_problem
from tasuki.server.workers.event_hub import EventHub, EventId, Subscriber, encode_named_message, parse_subscription

__all__ = ["event_stream"]

HEARTBEAT_SECONDS = 15.0
RETRY_SECONDS = 5
RESPONSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """The response to one subscriber: a stream of server-sent events."""

    def __init__(self, hub: EventHub, subscriber: Subscriber, send: Send) -> None:
        self.hub = hub
        self.subscriber = subscriber
        self.transmit = send
        self.start_id = hub.last_event_id

    async def run(self, since: EventId | None) -> None:
        """Send `connection`, replay the events after `since`, then send new events until the stream ends."""
        await self.transmit({"type": "http.response.start", "status": 200, "headers": RESPONSE_HEADERS})
        await self.send(encode_named_message("connection", since or self.start_id, boot_id=self.hub.boot_id))
        if since is not None:
            missed = await self.hub.find_missed_messages(since, self.start_id, self.subscriber)
            gone = [encode_named_message("reset", self.start_id, reason="these events are not kept any more")]
            await self.send(*(gone if missed is None else missed))
        while not self.hub.shutdown.is_set() and not self.subscriber.is_ended:
            await self.send_next()
        await self.transmit({"type": "http.response.body", "body": b"", "more_body": False})

    async def send_next(self) -> None:
        """Send the queued messages, or a heartbeat if none arrives for 15 s."""
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self.subscriber.wakeup.wait()
        except TimeoutError:
            # all up to the hub's place has been sent, or was not for this reader: it need not be replayed
            await self.send(encode_named_message("heartbeat", None if self.subscriber.wakeup.is_set() else self.hub.last_event_id))
            return
        self.subscriber.wakeup.clear()
        if self.subscriber.needs_reset:
            self.subscriber.needs_reset = False  # before anything is awaited: what comes from here on is behind the reset's place
            await self.send(encode_named_message("reset", self.hub.last_event_id, reason="too slow, or the store was built again"))
        messages = list(self.subscriber.queue)
        self.subscriber.queue.clear()
        await self.send(*messages)

    async def send(self, *messages: bytes) -> None:
        """Send messages. Raise TimeoutError if the client has read nothing for 15 s."""
        if messages:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self.transmit({"type": "http.response.body", "body": b"".join(messages), "more_body": True})


@asgi("/api/events", copy_scope=False, opt=requires(Scope.READ))
async def event_stream(scope: Connection, receive: Receive, send: Send) -> None:
    """Stream change events. Respond with 429 if the client's address has too many open streams."""
    hub: EventHub = scope["litestar_app"].state.hub
    address = find_client_address(scope, hub.trusted_proxies)
    if hub.streams_per_address[address] >= hub.max_streams_per_address:
        detail = f"{address} has {hub.max_streams_per_address} event streams open"
        await send_problem(send, HttpProblem(429, detail, error="too-many-connections", retry_after_seconds=RETRY_SECONDS))
        return
    projects, since = parse_subscription(scope)
    reader = Subscriber(scope["auth"], projects)
    stream = EventStream(hub, reader, send)
    hub.streams_per_address[address] += 1
    hub.subscribers.add(reader)
    try:
        await run_until_disconnect(stream.run(since), receive)
    finally:
        hub.subscribers.discard(reader)
        hub.streams_per_address[address] -= 1
        if not hub.streams_per_address[address]:
            del hub.streams_per_address[address]


def find_client_address(scope: Any, trusted_proxies: Collection[str]) -> str:
    """Return the client's address.

    Follow X-Forwarded-For from the last entry back while the sender is a trusted proxy.
    """
    address = str((scope.get("client") or ("", 0))[0])
    for before in reversed(get_header(scope, b"x-forwarded-for").split(",")):
        if address not in trusted_proxies or not before.strip():
            break
        address = before.strip()
    return address


async def run_until_disconnect(stream: Coroutine[None, None, None], receive: Receive) -> None:
    """Run the stream until it ends, or the client disconnects."""

    async def wait_for_disconnect() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.create_task(stream), asyncio.create_task(wait_for_disconnect())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(TimeoutError):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
