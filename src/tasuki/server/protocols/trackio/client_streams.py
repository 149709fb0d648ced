"""Streams of trackio clients, one per run, in the server's own journal.

Repeated deliveries are stored once.
Each item ends with a record of the delivery ids in it, so one commit stores the entries and their ids, or neither. On first
use after a server start, the ids are read back from the stream.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from zlib_ng.zlib_ng import crc32

from tasuki.blobs import store_text
from tasuki.clock import SYSTEM_CLOCK
from tasuki.records import START, DeliveryIds, Item, ItemReply, Position, ReplyStatus, encode, encode_frame, pack_item
from tasuki.server.auth.guards import forbidden_problem
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.problems import HttpProblem
from tasuki.server.protocols.trackio.dedup import IdSet
from tasuki.server.protocols.trackio.run_state import Delivery, RunStreamState, encode_delivery
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.store import RawStore

__all__ = ["ClientStreams", "RunKey"]

MAX_TRIES = 3
MAX_CACHED_STREAMS = 1000
"""So many are remembered; of more, only those that are being written to."""
TARGET_ITEM_BYTES = 2 * 1024 * 1024
READ_BYTES = 8 * 1024 * 1024
STORED_STATUSES = {ReplyStatus.STORED, ReplyStatus.DUPLICATE}


class RunKey(NamedTuple):
    """Project and run id; the run id is empty for entries of the project itself."""

    project: str
    run: str


class RunStream:
    """Stream of one run: its end, the state derived from its records, and its delivery ids.

    Hold `lock` to use it.
    """

    def __init__(self, key: RunKey, writer: str) -> None:
        self.key = key
        self.writer = writer
        self.lock = asyncio.Lock()
        self.is_open = False
        self.end = START
        self.state = RunStreamState()
        self.ids = IdSet()

    def open(self, raw_path: Path) -> None:
        """Read the end, state and delivery ids from the raw store."""
        self.end, self.state, self.ids = START, RunStreamState(), IdSet()
        with closing(RawStore(raw_path)) as store:
            self.end = store.positions([self.writer])[self.writer]
            offset = 0
            while data := store.read(self.writer, offset, READ_BYTES):
                self.ids.add(list(self.state.read_frames(data)))
                offset += len(data)
        self.is_open = True

    def select_new(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Return the deliveries that are not stored yet; of several with one id, the last.

        Keep those without id.
        """
        named = {one.id: one for one in deliveries if one.id is not None}
        known = set()
        if named:
            known = {id for id, there in zip(named, self.ids.contains(list(named)), strict=True) if there}
        return [one for one in deliveries if one.id is None or (one.id not in known and named[one.id] is one)]


class AppendPlan(NamedTuple):
    """Items to append to a stream, and the stream's end, state and new ids after the append."""

    stream: RunStream
    items: list[Item]
    end: Position
    state: RunStreamState
    ids: list[bytes]

    def apply(self) -> None:
        """Update the stream; call this once the items are on the disk."""
        self.stream.end, self.stream.state = self.end, self.state
        self.stream.ids.add(self.ids)


class ItemBuilder:
    """Collects records and packs them into items of a stream."""

    def __init__(self, stream: RunStream, state: RunStreamState, now: int) -> None:
        self.stream = stream
        self.state = state
        self.now = now
        self.end = stream.end
        self.items: list[Item] = []
        self.ids: list[bytes] = []
        self.pending_ids: list[bytes] = []
        self.pending_records: list[bytes] = []
        self.pending_bytes = 0

    def add(self, id: bytes | None, records: Iterable[bytes]) -> None:
        """Add the records of one delivery; they are never split across items."""
        if id is not None:
            self.pending_ids.append(id)
        for payload in records:
            self.pending_records.append(payload)
            self.pending_bytes += len(payload)
        if self.pending_bytes >= TARGET_ITEM_BYTES:
            self.finish_item()

    def finish_item(self) -> None:
        """Pack the pending records into an item that ends with their delivery ids."""
        if not self.pending_records:
            return
        tail = DeliveryIds(time=self.now, ids=b"".join(self.pending_ids).hex(), system=self.state.next_system_step)
        data = b"".join(map(encode_frame, (*self.pending_records, encode(tail))))
        (project, run), (offset, crc) = self.stream.key, self.end
        item = Item(project=project, run=run, writer=self.stream.writer, offset=offset, crc=crc, data=pack_item(data))
        self.items.append(item)
        self.ids += self.pending_ids
        self.end = Position(offset + len(data), crc32(data, crc))
        self.pending_ids, self.pending_records, self.pending_bytes = [], [], 0


class ClientStreams:
    """Stores deliveries of trackio clients exactly once. For the event loop only."""

    def __init__(self, receiver: StreamReceiver, server_id: str, folder: Path) -> None:
        self.receiver = receiver
        self.server_id = server_id
        self.folder = folder
        self.streams: dict[RunKey, RunStream] = {}

    def get_stream(self, key: RunKey) -> RunStream:
        """Return the stream of a run. Its writer id is derived from the server id and the run."""
        if len(self.streams) > MAX_CACHED_STREAMS:
            self.streams = {known: stream for known, stream in self.streams.items() if stream.lock.locked()}
        if key not in self.streams:
            words = msgspec.json.encode([self.server_id, "trackio", *key])
            self.streams[key] = RunStream(key, hashlib.sha256(words).hexdigest()[:32])
        return self.streams[key]

    async def deliver(self, principal: Principal, batch: Mapping[RunKey, Sequence[Delivery]]) -> None:
        """Store the new deliveries of a batch. On return, every delivery is on the disk exactly once.

        Raise 403 if the principal may not write to one of the runs, 503 if a stream's end keeps changing.
        """
        streams = [self.get_stream(key) for key in sorted(batch)]
        await self.authorize(principal, streams)
        async with AsyncExitStack() as held:
            for stream in streams:
                await held.enter_async_context(stream.lock)
            for _ in range(MAX_TRIES):
                streams = await self.append(streams, batch)
                if not streams:
                    return
        raise HttpProblem(503, "the server's journal can't be appended to", hint="does another server use this folder?")

    async def authorize(self, principal: Principal, streams: Sequence[RunStream]) -> None:
        """Raise 403 if the principal may not write to a run. The principal becomes the owner of a new run."""
        asked = [
            Item(project=stream.key.project, run=stream.key.run, writer=stream.writer, offset=0, crc=0, data=b"")
            for stream in streams
        ]
        if not asked:
            return
        for item, objection in zip(asked, await self.receiver.ownership.find_objections(principal, asked), strict=True):
            if objection is not None:
                raise forbidden_problem(principal, Scope.WRITE, item.project)

    async def append(self, streams: Sequence[RunStream], batch: Mapping[RunKey, Sequence[Delivery]]) -> list[RunStream]:
        """Append to all streams in one commit.

        Return the streams whose end had moved, to be read and tried again.
        """
        plans = await asyncio.to_thread(lambda: [self.plan_append(stream, batch[stream.key]) for stream in streams])
        items = [item for plan in plans for item in plan.items]
        replies = iter(await self.receiver.committer.append(items) if items else [])
        moved = []
        for plan in plans:
            answers: list[ItemReply] = [next(replies) for _ in plan.items]
            if all(answer.status in STORED_STATUSES for answer in answers):
                plan.apply()
            else:
                plan.stream.is_open = False
                moved.append(plan.stream)
        return moved

    # -- in a thread, while the stream's lock is held

    def plan_append(self, stream: RunStream, deliveries: Sequence[Delivery]) -> AppendPlan:
        """Encode the new deliveries as items. The stream stays unchanged until `AppendPlan.apply`."""
        if not stream.is_open:
            stream.open(self.receiver.raw_path)
        told, now = stream.state.copy(), SYSTEM_CLOCK.now_us()
        pieces = ItemBuilder(stream, told, now)
        for delivery in stream.select_new(deliveries):
            pieces.add(delivery.id, encode_delivery(told, stream.key.run, delivery, now, self.store_text))
        pieces.finish_item()
        return AppendPlan(stream, pieces.items, pieces.end, told, pieces.ids)

    def store_text(self, text: str) -> None:
        """Store a text as a blob."""
        store_text(self.folder, text)
