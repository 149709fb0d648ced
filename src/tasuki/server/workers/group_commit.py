"""Group commit: one thread writes the raw store, and commits all waiting requests in one transaction."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

import apsw

from tasuki.failpoints import hit_failpoint
from tasuki.records import Item, ItemReply
from tasuki.server.http.problems import HttpProblem
from tasuki.store import StreamStore

__all__ = ["GroupCommitter"]

MAX_QUEUED_BYTES = 64 * 1024 * 1024
ITEM_OVERHEAD_BYTES = 500
RETRY_SECONDS = 1
log = logging.getLogger("tasuki.server")


class PackableStore(StreamStore, Protocol):
    """A stream store that can be compacted and closed."""

    def pack(self) -> bool:
        """Compact one step. Return whether another step may follow."""
        ...

    def close(self) -> None:
        """Close the files of the store."""
        ...


class CommitRequest(NamedTuple):
    """Items to append, or a (project, run) whose streams are to be purged, with the future of the result."""

    future: asyncio.Future[Any]
    items: Sequence[Item] = ()
    purge: tuple[str, str] | None = None
    size: int = 0


class GroupCommitter:
    """Appends to and purges the raw store in groups. For the event loop only.

    When `append` or `purge` returns, the result is on the disk. `limit_bytes`: limit for queued items (default: 64 MiB).
    """

    def __init__(
        self, open_store: Callable[[], PackableStore], on_commit: Callable[[], object], *, limit_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        self.open_store = open_store
        self.on_commit = on_commit
        self.limit_bytes = limit_bytes
        self.queue: SimpleQueue[CommitRequest | None] = SimpleQueue()
        self.queued_bytes = 0
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the store and start the thread. Raise DataError if the file is not a raw store."""
        self.loop = asyncio.get_running_loop()
        store = self.open_store()
        self.thread = threading.Thread(target=self.run, args=(store,), name="tasuki-committer")
        self.thread.start()

    async def stop(self) -> None:
        """Commit the queued requests, then end the thread."""
        if self.thread is not None:
            self.queue.put(None)
            await asyncio.to_thread(self.thread.join)
            self.thread = None

    async def append(self, items: Sequence[Item]) -> list[ItemReply]:
        """Commit items. Return a reply per item, in order.

        Raise 429 if the queue is full, 503 if the commit fails.
        """
        size = sum(ITEM_OVERHEAD_BYTES + len(item.data or b"") for item in items)
        if self.queued_bytes and self.queued_bytes + size > self.limit_bytes:
            raise HttpProblem(429, "the disk can't keep up", hint="send it again", retry_after_seconds=RETRY_SECONDS)
        replies: list[ItemReply] = await self.submit(CommitRequest(self.loop.create_future(), items=items, size=size))
        return replies

    async def purge(self, project: str, run: str) -> int:
        """Purge the streams of a run. Return their number."""
        return int(await self.submit(CommitRequest(self.loop.create_future(), purge=(project, run))))

    async def submit(self, request: CommitRequest) -> Any:
        """Queue a request and wait for its result."""
        self.queued_bytes += request.size
        self.queue.put(request)
        return await asyncio.shield(request.future)

    # -- in the thread

    def run(self, store: PackableStore) -> None:
        """Commit requests in groups until `stop`.

        A commit costs a disk flush, whatever its size. While one runs, new requests queue up; they share the next, so the
        throughput grows with the load.
        """
        with closing(store):
            while (first := self.get_next_request(store)) is not None:
                group = [first, *self.drain_queue()]
                try:
                    results = commit_group(store, group)
                except Exception as error:  # the top of the thread: those who wait are told, and it goes on
                    log.error("a commit to the raw store failed", exc_info=True)
                    refusal = HttpProblem(503, f"the raw store can't be written: {error}", hint="is there room on the disk?")
                    results = [refusal] * len(group)
                self.loop.call_soon_threadsafe(self.resolve_futures, group, results)

    def get_next_request(self, store: PackableStore) -> CommitRequest | None:
        """Wait for the next request, or None at the end. Compact the store while the queue is empty."""
        try:
            while self.queue.empty() and store.pack():
                pass
        except apsw.Error:
            log.error("the raw store can't be packed, which is tried again later", exc_info=True)
        return self.queue.get()

    def drain_queue(self) -> list[CommitRequest]:
        """Return all queued requests without waiting."""
        group: list[CommitRequest] = []
        while True:
            try:
                work = self.queue.get_nowait()
            except Empty:
                return group
            if work is None:
                self.queue.put(None)
                return group
            group.append(work)

    # -- in the event loop

    def resolve_futures(self, group: Sequence[CommitRequest], results: Sequence[Any]) -> None:
        """Set the result, or the exception, of every request in the group."""
        for work, result in zip(group, results, strict=True):
            self.queued_bytes -= work.size
            if work.future.cancelled():
                continue
            if isinstance(result, Exception):
                work.future.set_exception(result)
            else:
                work.future.set_result(result)
        self.on_commit()


def commit_group(store: PackableStore, group: Sequence[CommitRequest]) -> list[Any]:
    """Commit the items of all requests in one transaction, then do the purges.

    Return the results in order.
    """
    replies = iter(store.append([item for work in group for item in work.items]))
    hit_failpoint("server.after_commit")
    results: list[Any] = [[next(replies) for _ in work.items] for work in group]
    for place, work in enumerate(group):
        if work.purge is not None:
            results[place] = store.purge(*work.purge)
    return results
