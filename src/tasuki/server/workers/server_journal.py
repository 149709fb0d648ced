"""The server's own journal: notes of light clients, a stream per brain, in the raw store."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import closing

from zlib_ng.zlib_ng import crc32

from tasuki.records import START, Item, Note, Position, ReplyStatus, encode, encode_frame, pack_item
from tasuki.server.http.problems import HttpProblem
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.server.workers.reader_pool import ProjectionState, ReaderPool
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.store import Queries, RawStore

__all__ = ["BrainStream", "ServerJournal"]

MAX_TRIES = 3
MAX_CACHED_BRAINS = 1000
"""So many are remembered; of more, only those that are being written to."""


class BrainStream:
    """One brain's stream: who it is, and where it ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = asyncio.Lock()
        self.writer: str | None = None
        self.end = START


class ServerJournal:
    """The streams of one server. A stream goes on where it ended, also after the server has started anew."""

    def __init__(self, receiver: StreamReceiver, readers: ReaderPool, server_id: str) -> None:
        self.receiver = receiver
        self.readers = readers
        self.server_id = server_id
        self.streams: dict[str, BrainStream] = {}

    @property
    def committer(self) -> GroupCommitter:
        """Return the group committer."""
        return self.receiver.committer

    def get_stream(self, name: str) -> BrainStream:
        """The brain of a name."""
        if len(self.streams) > MAX_CACHED_BRAINS:
            self.streams = {known: brain for known, brain in self.streams.items() if brain.lock.locked()}
        return self.streams.setdefault(name, BrainStream(name))

    async def find_note_digests(self, stream: BrainStream, event_ids: Sequence[str]) -> dict[str, str]:
        """The digests of the notes that stand under these ids, all that was stored before being known."""

        def query(queries: Queries, _: ProjectionState) -> dict[str, str]:
            return queries.valid_digests(stream.name, event_ids)

        return (await self.readers.run_query(query)).value

    async def append(self, stream: BrainStream, notes: Sequence[Note]) -> str:
        """Append notes, all or none; return `writer:offset` after them. The caller holds the brain's lock."""
        data = b"".join(encode_frame(encode(note)) for note in notes)
        for _ in range(MAX_TRIES):
            writer = stream.writer or await self.open_stream(stream)
            if not data:
                break
            item = Item(
                project=stream.name, run="", writer=writer, offset=stream.end.offset, crc=stream.end.crc, data=pack_item(data)
            )
            (reply,) = await self.committer.append([item])
            if reply.status in {ReplyStatus.STORED, ReplyStatus.DUPLICATE}:
                stream.end = Position(item.offset + len(data), crc32(data, item.crc))
                break
            stream.writer = None  # somebody else has written there: see where it ends
        else:
            raise HttpProblem(
                503, f"the journal of {stream.name!r} can't be appended to", hint="does another server use this folder?"
            )
        return f"{stream.writer}:{stream.end.offset}"

    async def open_stream(self, stream: BrainStream) -> str:
        """Find where the brain's stream ends; one that was purged is never written to again."""
        writer, stream.end = await asyncio.to_thread(self.find_stream_end, stream.name)
        stream.writer = writer
        return writer

    def find_stream_end(self, name: str) -> tuple[str, Position]:
        """The first of the brain's streams that was not purged, and its end."""
        with closing(RawStore(self.receiver.raw_path)) as store:
            there = {stream.writer for stream in store.project_streams(name)}
            for n in range(1_000_000):
                writer = hashlib.sha256(f"{self.server_id} {name} {n}".encode()).hexdigest()[:32]
                end = store.positions([writer])[writer]
                if end == START or writer in there:
                    return writer, end
        raise HttpProblem(503, f"{name!r} was purged a million times")

    def forget(self, name: str) -> None:
        """The brain's stream was purged: the next note begins another one."""
        self.streams.pop(name, None)
