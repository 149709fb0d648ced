"""The streams of trackio's clients: one a run, in the server's own journal. What a client sends again is stored once.

Each piece ends with a record that names the deliveries in it, so that a commit has both or neither. Which there are is learned from
the stream itself, when it is first used after a start.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from zlib_ng.zlib_ng import crc32

from tasuki.blobs import keep_text
from tasuki.clock import SYSTEM
from tasuki.records import START, DeliveryIds, Item, ItemReply, Position, ReplyStatus, encode, frame, pack_item
from tasuki.server.auth.guards import forbidden
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.problems import HttpProblem
from tasuki.server.protocols.trackio.dedup import IdSet
from tasuki.server.protocols.trackio.run_state import Delivery, RunStreamState, payloads
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.store import RawStore

__all__ = ["ClientStreams", "RunKey"]

TRIES = 3
MOST_STREAMS = 1000
"""So many are remembered; of more, only those that are being written to."""
PIECE_BYTES = 2 * 1024 * 1024
READ_BYTES = 8 * 1024 * 1024
THERE = {ReplyStatus.STORED, ReplyStatus.DUPLICATE}


class RunKey(NamedTuple):
    """Which run: of what is in none, the id is empty."""

    project: str
    run: str


class RunStream:
    """One run's stream: where it ends, and what it has told. To be touched by whoever holds the lock."""

    def __init__(self, key: RunKey, writer: str) -> None:
        self.key = key
        self.writer = writer
        self.lock = asyncio.Lock()
        self.opened = False
        self.end = START
        self.told = RunStreamState()
        self.ids = IdSet()

    def open(self, raw_path: Path) -> None:
        """Learn what is on the disk."""
        self.end, self.told, self.ids = START, RunStreamState(), IdSet()
        with closing(RawStore(raw_path)) as store:
            self.end = store.positions([self.writer])[self.writer]
            offset = 0
            while data := store.read(self.writer, offset, READ_BYTES):
                self.ids.add(list(self.told.read(data)))
                offset += len(data)
        self.opened = True

    def new(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that are not here yet, each once."""
        named = {one.id: one for one in deliveries if one.id is not None}
        known = set()
        if named:
            known = {id for id, there in zip(named, self.ids.known(list(named)), strict=True) if there}
        return [one for one in deliveries if one.id is None or (one.id not in known and named[one.id] is one)]


class AppendPlan(NamedTuple):
    """What is to be appended to a stream, and what it will have told then."""

    stream: RunStream
    items: list[Item]
    end: Position
    told: RunStreamState
    ids: list[bytes]

    def done(self) -> None:
        """It is on the disk."""
        self.stream.end, self.stream.told = self.end, self.told
        self.stream.ids.add(self.ids)


class ItemBuilder:
    """Records on their way into items of a stream."""

    def __init__(self, stream: RunStream, told: RunStreamState, now: int) -> None:
        self.stream = stream
        self.told = told
        self.now = now
        self.end = stream.end
        self.items: list[Item] = []
        self.ids: list[bytes] = []
        self.named: list[bytes] = []
        self.piece: list[bytes] = []
        self.size = 0

    def add(self, id: bytes | None, records: Iterable[bytes]) -> None:
        """The records of one delivery, which stay together."""
        if id is not None:
            self.named.append(id)
        for payload in records:
            self.piece.append(payload)
            self.size += len(payload)
        if self.size >= PIECE_BYTES:
            self.cut()

    def cut(self) -> None:
        """Make an item of what there is."""
        if not self.piece:
            return
        tail = DeliveryIds(time=self.now, ids=b"".join(self.named).hex(), system=self.told.system)
        data = b"".join(map(frame, (*self.piece, encode(tail))))
        (project, run), (offset, crc) = self.stream.key, self.end
        item = Item(project=project, run=run, writer=self.stream.writer, offset=offset, crc=crc, data=pack_item(data))
        self.items.append(item)
        self.ids += self.named
        self.end = Position(offset + len(data), crc32(data, crc))
        self.named, self.piece, self.size = [], [], 0


class ClientStreams:
    """To be used from the event loop."""

    def __init__(self, receiver: StreamReceiver, server_id: str, folder: Path) -> None:
        self.receiver = receiver
        self.server_id = server_id
        self.folder = folder
        self.streams: dict[RunKey, RunStream] = {}

    def stream(self, key: RunKey) -> RunStream:
        """The stream of a run."""
        if len(self.streams) > MOST_STREAMS:
            self.streams = {known: stream for known, stream in self.streams.items() if stream.lock.locked()}
        if key not in self.streams:
            words = msgspec.json.encode([self.server_id, "trackio", *key])
            self.streams[key] = RunStream(key, hashlib.sha256(words).hexdigest()[:32])
        return self.streams[key]

    async def deliver(self, principal: Principal, batch: Mapping[RunKey, Sequence[Delivery]]) -> None:
        """Put what is new on the disk: when this returns, all of the batch is there, once."""
        streams = [self.stream(key) for key in sorted(batch)]
        await self.admit(principal, streams)
        async with AsyncExitStack() as held:
            for stream in streams:
                await held.enter_async_context(stream.lock)
            for _ in range(TRIES):
                streams = await self.append(streams, batch)
                if not streams:
                    return
        raise HttpProblem(503, "the server's journal can't be appended to", hint="does another server use this folder?")

    async def admit(self, principal: Principal, streams: Sequence[RunStream]) -> None:
        """Refusal (403) where a run is not the principal's to send to; what nobody has sent to becomes theirs."""
        asked = [
            Item(project=stream.key.project, run=stream.key.run, writer=stream.writer, offset=0, crc=0, data=b"")
            for stream in streams
        ]
        if not asked:
            return
        for item, objection in zip(asked, await self.receiver.authority.objections(principal, asked), strict=True):
            if objection is not None:
                raise forbidden(principal, Scope.WRITE, item.project)

    async def append(self, streams: Sequence[RunStream], batch: Mapping[RunKey, Sequence[Delivery]]) -> list[RunStream]:
        """Append to the streams, in one commit; returns those that were elsewhere than was known."""
        plans = await asyncio.to_thread(lambda: [self.plan(stream, batch[stream.key]) for stream in streams])
        items = [item for plan in plans for item in plan.items]
        replies = iter(await self.receiver.committer.append(items) if items else [])
        moved = []
        for plan in plans:
            answers: list[ItemReply] = [next(replies) for _ in plan.items]
            if all(answer.status in THERE for answer in answers):
                plan.done()
            else:
                plan.stream.opened = False
                moved.append(plan.stream)
        return moved

    # -- in a thread, while the stream's lock is held

    def plan(self, stream: RunStream, deliveries: Sequence[Delivery]) -> AppendPlan:
        """What of the deliveries is new, as items of the stream."""
        if not stream.opened:
            stream.open(self.receiver.raw_path)
        told, now = stream.told.copy(), SYSTEM.now_us()
        pieces = ItemBuilder(stream, told, now)
        for delivery in stream.new(deliveries):
            pieces.add(delivery.id, payloads(told, stream.key.run, delivery, now, self.keep))
        pieces.cut()
        return AppendPlan(stream, pieces.items, pieces.end, told, pieces.ids)

    def keep(self, text: str) -> None:
        """Put a text into a blob."""
        keep_text(self.folder, text)
