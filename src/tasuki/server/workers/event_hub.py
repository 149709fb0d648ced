"""`GET /api/events`: server-sent events, with ids that are stored and a bounded queue for each reader."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec
from litestar.types import Scope as Connection

from tasuki.records import JOBS
from tasuki.server.auth.guards import TokenAuthenticator
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.server.workers.stop_requests import StopRequests
from tasuki.settings import Settings
from tasuki.store import EVERYBODYS, ChangeEvent, EventSpan, Queries, event_span, events_after

__all__ = ["EventHub", "EventId", "Subscriber", "asked_for", "named"]

QUEUE_EVENTS = 1000
PAGE_EVENTS = 1000
POLL_SECONDS = 0.5
PER_ADDRESS = 5


class EventId(NamedTuple):
    """The id of an event: in which generation, and its number there."""

    generation: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.sequence}"


def parse_place(text: str) -> EventId | None:
    """The place in an id; None for what is none."""
    generation, _, sequence = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (generation, sequence)):
        return None
    return EventId(int(generation), int(sequence))


class Subscriber:
    """One who listens, to some projects or to all that they may read: what is still to be sent to them."""

    def __init__(self, principal: Principal, projects: frozenset[str]) -> None:
        self.principal = principal
        self.projects = projects
        self.ended = False
        self.waiting: deque[bytes] = deque()
        self.lost = False
        self.news = asyncio.Event()

    def wants(self, event: ChangeEvent) -> bool:
        """Whether an event is for them: of a job, which is of no project, its user and admins are told."""
        if event.project == JOBS:
            is_theirs = event.user in (EVERYBODYS, self.principal.name) or self.principal.may(Scope.ADMIN)
            return is_theirs and self.principal.may(Scope.READ)
        asked_for = not self.projects or event.project in self.projects
        return asked_for and self.principal.may(Scope.READ, event.project)

    def put(self, event: ChangeEvent, message: bytes) -> None:
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


class EventHub:
    """Reads the table of events once for all readers, and for the mailbox."""

    def __init__(
        self, readers: ReaderPool, gate: TokenAuthenticator, mailbox: StopRequests, boot_id: str, settings: Settings
    ) -> None:
        self.per_address = settings.events_per_address
        self.trusted = settings.trusted_proxies
        self.readers = readers
        self.gate = gate
        self.mailbox = mailbox
        self.boot_id = boot_id
        self.place = EventId(0, 0)
        self.listening: set[Subscriber] = set()
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
                message = encoded(EventId(place.generation, event.sequence), event.data)
                for reader in self.listening:
                    reader.put(event, message)
                self.place = EventId(place.generation, event.sequence)
            if len(events) < PAGE_EVENTS:
                return

    def news(self, questions: Queries, generation: int) -> tuple[EventId, list[ChangeEvent]]:
        """The events behind the hub's place; where it has none yet, only where the last one is."""
        last = event_span(questions.db).last
        if generation != self.place.generation:
            return EventId(generation, last), []
        return EventId(generation, last), events_after(questions.db, self.place.sequence, PAGE_EVENTS)

    async def missed(self, since: EventId, until: EventId, reader: Subscriber) -> list[bytes] | None:
        """The messages behind one place and up to another; None where they are not to be had any more."""
        if since.generation != until.generation or since.sequence > until.sequence:
            return None

        def find(questions: Queries, generation: int) -> list[ChangeEvent] | None:
            span: EventSpan = event_span(questions.db)
            if generation != until.generation or since.sequence + 1 < span.first:
                return None
            return events_after(questions.db, since.sequence, until.sequence - since.sequence)

        found = await self.readers.in_thread(self.readers.peek, find)
        if found is None:
            return None
        return [
            encoded(EventId(until.generation, event.sequence), event.data)
            for event in found
            if event.sequence <= until.sequence and reader.wants(event)
        ]


def encoded(place: EventId | None, data: str, name: str | None = None) -> bytes:
    """One message of the stream."""
    lines = [] if name is None else [f"event: {name}"]
    lines += [] if place is None else [f"id: {place}"]
    return "\n".join([*lines, f"data: {data}", "", ""]).encode()


def named(name: str, place: EventId | None, **content: str) -> bytes:
    """A message about the stream itself."""
    return encoded(place, msgspec.json.encode({"type": name} | content).decode(), name)


def asked_for(scope: Connection) -> tuple[frozenset[str], EventId | None]:
    """Which projects, and since which event: `Last-Event-ID` is a header, or a parameter for those who can't set one."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    last = headers.get(b"last-event-id") or query.get("last_event_id", [""])[0]
    return frozenset(query.get("project", [])), parse_place(last) if last else None
