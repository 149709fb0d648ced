"""`GET /api/events`: server-sent events, with ids that are stored and a bounded queue for each reader."""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from litestar import asgi
from litestar.types import Receive, Send
from litestar.types import Scope as Connection

from tasuki.records import JOBS
from tasuki.server.auth.guards import Gate, header, needs
from tasuki.server.auth.tokens import Principal, Scope
from tasuki.server.http.problems import Refusal, send_problem
from tasuki.server.workers.reader_pool import Readers
from tasuki.server.workers.stop_requests import Mailbox
from tasuki.settings import Settings
from tasuki.store import EVERYBODYS, Event, EventSpan, Questions, event_span, events_after

__all__ = ["Hub", "Place", "event_stream"]

QUEUE_EVENTS = 1000
PAGE_EVENTS = 1000
HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 0.5
PER_ADDRESS = 5
RETRY_SECONDS = 5
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class Place(NamedTuple):
    """The id of an event: in which generation, and its number there."""

    generation: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.sequence}"


def parse_place(text: str) -> Place | None:
    """The place in an id; None for what is none."""
    generation, _, sequence = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (generation, sequence)):
        return None
    return Place(int(generation), int(sequence))


class Reader:
    """One who listens, to some projects or to all that they may read: what is still to be sent to them."""

    def __init__(self, principal: Principal, projects: frozenset[str]) -> None:
        self.principal = principal
        self.projects = projects
        self.ended = False
        self.waiting: deque[bytes] = deque()
        self.lost = False
        self.news = asyncio.Event()

    def wants(self, event: Event) -> bool:
        """Whether an event is for them: of a job, which is of no project, its user and admins are told."""
        if event.project == JOBS:
            is_theirs = event.user in (EVERYBODYS, self.principal.name) or self.principal.may(Scope.ADMIN)
            return is_theirs and self.principal.may(Scope.READ)
        asked_for = not self.projects or event.project in self.projects
        return asked_for and self.principal.may(Scope.READ, event.project)

    def put(self, event: Event, message: bytes) -> None:
        """One more; when there are too many, all are dropped, and what follows too, until the reader has been told."""
        if self.lost or not self.wants(event):
            return
        if len(self.waiting) < QUEUE_EVENTS:
            self.waiting.append(message)
            self.news.set()
        else:
            self.lose()

    def end(self) -> None:
        """Nothing more is for them."""
        self.waiting.clear()
        self.ended = True
        self.news.set()

    def lose(self) -> None:
        """What this reader has is of no use any more: it has to load everything anew."""
        self.waiting.clear()
        self.lost = True
        self.news.set()


class Hub:
    """Reads the table of events once for all readers, and for the mailbox."""

    def __init__(self, readers: Readers, gate: Gate, mailbox: Mailbox, boot_id: str, settings: Settings) -> None:
        self.per_address = settings.events_per_address
        self.trusted = settings.trusted_proxies
        self.readers = readers
        self.gate = gate
        self.mailbox = mailbox
        self.boot_id = boot_id
        self.place = Place(0, 0)
        self.listening: set[Reader] = set()
        self.addresses: Counter[str] = Counter()
        self.moved = asyncio.Event()
        self.closing = asyncio.Event()

    def wake(self) -> None:
        """There may be something new."""
        self.moved.set()

    def close(self) -> None:
        """End all streams."""
        self.closing.set()
        for reader in self.listening:
            reader.news.set()

    async def run(self) -> None:
        """Look for events when woken, and now and then: others project too."""
        while True:
            self.moved.clear()
            self.let_out()
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self.moved.wait()

    def let_out(self) -> None:
        """End the streams of those who would not be let in any more."""
        for reader in self.listening:
            if not self.gate.is_good(reader.principal):
                reader.end()

    async def look(self) -> None:
        """Pass on what is new."""
        while True:
            place, events = await self.readers.in_thread(self.readers.peek, self.news)
            if place.generation != self.place.generation or place.sequence < self.place.sequence:
                self.place = place
                self.mailbox.put(await self.readers.in_thread(self.readers.peek, lambda questions, _: questions.stops()))
                for reader in self.listening:
                    reader.lose()
                return
            for event in events:
                self.mailbox.hear(event)
                message = encoded(Place(place.generation, event.sequence), event.data)
                for reader in self.listening:
                    reader.put(event, message)
                self.place = Place(place.generation, event.sequence)
            if len(events) < PAGE_EVENTS:
                return

    def news(self, questions: Questions, generation: int) -> tuple[Place, list[Event]]:
        """The events behind the hub's place; where it has none yet, only where the last one is."""
        last = event_span(questions.db).last
        if generation != self.place.generation:
            return Place(generation, last), []
        return Place(generation, last), events_after(questions.db, self.place.sequence, PAGE_EVENTS)

    async def missed(self, since: Place, until: Place, reader: Reader) -> list[bytes] | None:
        """The messages behind one place and up to another; None where they are not to be had any more."""
        if since.generation != until.generation or since.sequence > until.sequence:
            return None

        def find(questions: Questions, generation: int) -> list[Event] | None:
            span: EventSpan = event_span(questions.db)
            if generation != until.generation or since.sequence + 1 < span.first:
                return None
            return events_after(questions.db, since.sequence, until.sequence - since.sequence)

        found = await self.readers.in_thread(self.readers.peek, find)
        if found is None:
            return None
        return [
            encoded(Place(until.generation, event.sequence), event.data)
            for event in found
            if event.sequence <= until.sequence and reader.wants(event)
        ]


def encoded(place: Place | None, data: str, name: str | None = None) -> bytes:
    """One message of the stream."""
    lines = [] if name is None else [f"event: {name}"]
    lines += [] if place is None else [f"id: {place}"]
    return "\n".join([*lines, f"data: {data}", "", ""]).encode()


def named(name: str, place: Place | None, **content: str) -> bytes:
    """A message about the stream itself."""
    return encoded(place, msgspec.json.encode({"type": name} | content).decode(), name)


class EventStream:
    """One response: from the first message to the reader's end, or ours."""

    def __init__(self, hub: Hub, reader: Reader, send: Send) -> None:
        self.hub = hub
        self.reader = reader
        self.transmit = send
        self.here = hub.place

    async def run(self, since: Place | None) -> None:
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
    hub: Hub = scope["litestar_app"].state.hub
    address = client_address(scope, hub.trusted)
    if hub.addresses[address] >= hub.per_address:
        detail = f"{address} has {hub.per_address} event streams open"
        await send_problem(send, Refusal(429, detail, error="too-many-connections", wait=RETRY_SECONDS))
        return
    projects, since = asked_for(scope)
    reader = Reader(scope["auth"], projects)
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


def asked_for(scope: Connection) -> tuple[frozenset[str], Place | None]:
    """Which projects, and since which event: `Last-Event-ID` is a header, or a parameter for those who can't set one."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    last = headers.get(b"last-event-id") or query.get("last_event_id", [""])[0]
    return frozenset(query.get("project", [])), parse_place(last) if last else None


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
