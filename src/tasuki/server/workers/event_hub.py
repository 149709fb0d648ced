"""Event hub: read change events from the projection, and distribute them to bounded subscriber queues."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec
from litestar.types import Scope as Connection

from tasuki.records import JOBS_PROJECT
from tasuki.server.auth.guards import TokenAuthenticator
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.server.workers.stop_requests import StopRequests
from tasuki.settings import Settings
from tasuki.store import ALL_USERS, ChangeEvent, EventSpan, Queries, read_event_span, read_events_after

__all__ = ["EventHub", "EventId", "Subscriber", "encode_named_message", "parse_subscription"]

MAX_QUEUED_EVENTS = 1000
MAX_PAGE_EVENTS = 1000
POLL_SECONDS = 0.5
PER_ADDRESS = 5


class EventId(NamedTuple):
    """Id of an event: the generation of the projection, and the sequence number within that generation."""

    generation: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.sequence}"


def parse_event_id(text: str) -> EventId | None:
    """Parse an event id; return None if it is malformed."""
    generation, _, sequence = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (generation, sequence)):
        return None
    return EventId(int(generation), int(sequence))


class Subscriber:
    """A subscriber: principal, projects (empty: all that the principal may read), and message queue."""

    def __init__(self, principal: Principal, projects: frozenset[str]) -> None:
        self.principal = principal
        self.projects = projects
        self.is_ended = False
        self.queue: deque[bytes] = deque()
        self.needs_reset = False
        self.wakeup = asyncio.Event()

    def accepts(self, event: ChangeEvent) -> bool:
        """Return whether the subscriber may see an event.

        Job events belong to no project: only for the job's user and admins.
        """
        if event.project == JOBS_PROJECT:
            is_theirs = event.user in (ALL_USERS, self.principal.name) or self.principal.has_scope(Scope.ADMIN)
            return is_theirs and self.principal.has_scope(Scope.READ)
        asked_for = not self.projects or event.project in self.projects
        return asked_for and self.principal.has_scope(Scope.READ, event.project)

    def put(self, event: ChangeEvent, message: bytes) -> None:
        """Queue an event.

        On overflow, drop the queue and every event until the subscriber has received `reset`.
        """
        if self.needs_reset or not self.accepts(event):
            return
        if len(self.queue) < MAX_QUEUED_EVENTS:
            self.queue.append(message)
            self.wakeup.set()
        else:
            self.require_reset()

    def close(self) -> None:
        """End the subscription and drop the queue."""
        self.queue.clear()
        self.is_ended = True
        self.wakeup.set()

    def require_reset(self) -> None:
        """Drop the queue; the subscriber gets `reset` next, and must reload all its data."""
        self.queue.clear()
        self.needs_reset = True
        self.wakeup.set()


class EventHub:
    """Reads the event table once for all subscribers and for the pending stop requests."""

    def __init__(
        self, readers: ReaderPool, authenticator: TokenAuthenticator, stop_requests: StopRequests, boot_id: str, settings: Settings
    ) -> None:
        self.max_streams_per_address = settings.events_per_address
        self.trusted_proxies = settings.trusted_proxies
        self.readers = readers
        self.authenticator = authenticator
        self.stop_requests = stop_requests
        self.boot_id = boot_id
        self.last_event_id = EventId(0, 0)
        self.subscribers: set[Subscriber] = set()
        self.streams_per_address: Counter[str] = Counter()
        self.wakeup = asyncio.Event()
        self.shutdown = asyncio.Event()

    def wake(self) -> None:
        """Wake the hub: the event table may have new rows."""
        self.wakeup.set()

    def close(self) -> None:
        """End all event streams."""
        self.shutdown.set()
        for reader in self.subscribers:
            reader.wakeup.set()

    async def run(self) -> None:
        """Publish new events when woken, and every 0.5 s, since other processes may project, too."""
        while True:
            self.wakeup.clear()
            self.close_revoked()
            await self.publish_new_events()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self.wakeup.wait()

    def close_revoked(self) -> None:
        """End the streams of subscribers whose token is revoked or expired."""
        for reader in self.subscribers:
            if not self.authenticator.is_valid(reader.principal):
                reader.close()

    async def publish_new_events(self) -> None:
        """Read the new events page by page, and queue them for every subscriber.

        A new generation of the projection has its own sequence numbers, so no event can be matched with those already sent: every
        subscriber gets `reset`, and all pending stop requests are loaded again instead of being derived from events.
        """
        while True:
            place, events = await self.readers.run_in_thread(self.readers.run_query_now, self.find_new_events)
            if place.generation != self.last_event_id.generation or place.sequence < self.last_event_id.sequence:
                self.last_event_id = place
                self.stop_requests.add(
                    await self.readers.run_in_thread(self.readers.run_query_now, lambda queries, _: queries.open_stop_requests())
                )
                for reader in self.subscribers:
                    reader.require_reset()
                return
            for event in events:
                self.stop_requests.handle_event(event)
                message = encode_message(EventId(place.generation, event.sequence), event.data)
                for reader in self.subscribers:
                    reader.put(event, message)
                self.last_event_id = EventId(place.generation, event.sequence)
            if len(events) < MAX_PAGE_EVENTS:
                return

    def find_new_events(self, queries: Queries, generation: int) -> tuple[EventId, list[ChangeEvent]]:
        """Return the id of the latest event, and the events after the hub's position.

        In a new generation, the hub has no position yet, and the list is empty.
        """
        last = read_event_span(queries.db).last
        if generation != self.last_event_id.generation:
            return EventId(generation, last), []
        return EventId(generation, last), read_events_after(queries.db, self.last_event_id.sequence, MAX_PAGE_EVENTS)

    async def find_missed_messages(self, since: EventId, until: EventId, subscriber: Subscriber) -> list[bytes] | None:
        """Return the subscriber's messages after `since` up to `until`; None if they are no longer stored."""
        if since.generation != until.generation or since.sequence > until.sequence:
            return None

        def find(queries: Queries, generation: int) -> list[ChangeEvent] | None:
            span: EventSpan = read_event_span(queries.db)
            if generation != until.generation or since.sequence + 1 < span.first:
                return None
            return read_events_after(queries.db, since.sequence, until.sequence - since.sequence)

        found = await self.readers.run_in_thread(self.readers.run_query_now, find)
        if found is None:
            return None
        return [
            encode_message(EventId(until.generation, event.sequence), event.data)
            for event in found
            if event.sequence <= until.sequence and subscriber.accepts(event)
        ]


def encode_message(event_id: EventId | None, data: str, name: str | None = None) -> bytes:
    """Encode one server-sent event."""
    lines = [] if name is None else [f"event: {name}"]
    lines += [] if event_id is None else [f"id: {event_id}"]
    return "\n".join([*lines, f"data: {data}", "", ""]).encode()


def encode_named_message(name: str, event_id: EventId | None, **content: str) -> bytes:
    """Encode a named event about the stream itself, such as `reset`."""
    return encode_message(event_id, msgspec.json.encode({"type": name} | content).decode(), name)


def parse_subscription(scope: Connection) -> tuple[frozenset[str], EventId | None]:
    """Return the requested projects and the last event id.

    The id is in the header `Last-Event-ID`, or in the parameter `last_event_id` for clients that cannot set headers.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"))
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    last = headers.get(b"last-event-id") or query.get("last_event_id", [""])[0]
    return frozenset(query.get("project", [])), parse_event_id(last) if last else None
