"""Server journal: notes of clients without a journal, one stream per brain, appended to the raw store."""

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
    """Stream of one brain: writer id (None until opened) and end. Hold `lock` to append."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = asyncio.Lock()
        self.writer: str | None = None
        self.end = START


class ServerJournal:
    """Streams of one server, one per brain. After a server restart, a stream continues at its stored end."""

    def __init__(self, receiver: StreamReceiver, readers: ReaderPool, server_id: str) -> None:
        self.receiver = receiver
        self.readers = readers
        self.server_id = server_id
        self.streams: dict[str, BrainStream] = {}

    @property
    def committer(self) -> GroupCommitter:
        """Return the committer that writes to the raw store."""
        return self.receiver.committer

    def get_stream(self, name: str) -> BrainStream:
        """Return the stream of a brain."""
        if len(self.streams) > MAX_CACHED_BRAINS:
            self.streams = {known: brain for known, brain in self.streams.items() if brain.lock.locked()}
        return self.streams.setdefault(name, BrainStream(name))

    async def find_note_digests(self, stream: BrainStream, event_ids: Sequence[str]) -> dict[str, str]:
        """Return the digests of the stored notes with these ids, after waiting for the projection to catch up."""

        def query(queries: Queries, _: ProjectionState) -> dict[str, str]:
            return queries.valid_digests(stream.name, event_ids)

        return (await self.readers.run_query(query)).value

    async def append(self, stream: BrainStream, notes: Sequence[Note]) -> str:
        """Commit notes, all or none. Return `writer:offset` of the end.

        The caller must hold the stream's lock.
        Raise 503 if another writer keeps moving the end of the stream.
        """
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
            stream.writer = None  # another process has appended: read the end of the stream again
        else:
            raise HttpProblem(
                503, f"the journal of {stream.name!r} can't be appended to", hint="does another server use this folder?"
            )
        return f"{stream.writer}:{stream.end.offset}"

    async def open_stream(self, stream: BrainStream) -> str:
        """Set the stream's writer id and end from the raw store. Return the writer id."""
        writer, stream.end = await asyncio.to_thread(self.find_stream_end, stream.name)
        stream.writer = writer
        return writer

    def find_stream_end(self, name: str) -> tuple[str, Position]:
        """Return the writer id and end of the brain's first stream that was not purged.

        Data sent to a purged stream is discarded, so each purge moves the brain on to its next stream.
        """
        with closing(RawStore(self.receiver.raw_path)) as store:
            there = {stream.writer for stream in store.project_streams(name)}
            for n in range(1_000_000):
                writer = hashlib.sha256(f"{self.server_id} {name} {n}".encode()).hexdigest()[:32]
                end = store.positions([writer])[writer]
                if end == START or writer in there:
                    return writer, end
        raise HttpProblem(503, f"{name!r} was purged a million times")

    def forget(self, name: str) -> None:
        """Drop the cached stream of a purged brain; the next note starts a new stream."""
        self.streams.pop(name, None)
