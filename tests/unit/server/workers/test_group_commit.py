import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from tasuki.records import Item, ItemReply, ReplyStatus
from tasuki.server.http.problems import HttpProblem
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.testing import MemoryStore
from tests.support.servers import Stream, metrics, started


class Counting:
    """A store in memory that notes how many items each commit had, and may be full."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.groups: list[int] = []
        self.full = False
        self.to_pack = 3
        self.purge = self.store.purge
        self.positions = self.store.positions
        self.close = self.store.close

    def append(self, items: Sequence[Item]) -> list[ItemReply]:
        self.groups.append(len(items))
        if self.full:
            raise OSError("no space left on device")
        return self.store.append(items)

    def pack(self) -> bool:
        self.to_pack -= 1
        return self.to_pack > 0


def committing(action: Callable[[GroupCommitter, Counting], Awaitable[None]], **options: int) -> Counting:
    """Do something with a running committer."""
    store = Counting()

    async def main() -> None:
        committer = GroupCommitter(lambda: store, lambda: None, **options)
        committer.start()
        try:
            await action(committer, store)
        finally:
            await committer.stop()

    asyncio.run(main())
    return store


def test_what_waits_together_is_committed_together_and_answered_apart():
    streams = [Stream() for _ in range(20)]

    async def action(committer, store):
        works = [asyncio.ensure_future(committer.append([stream.item([started()]), stream.item(metrics(1))])) for stream in streams]
        replies = await asyncio.gather(*works)
        assert [[reply.writer for reply in two] for two in replies] == [[stream.writer] * 2 for stream in streams]
        assert {reply.status for two in replies for reply in two} == {ReplyStatus.STORED}
        assert committer.queued_bytes == 0

    store = committing(action)
    assert sum(store.groups) == 40
    assert len(store.groups) < 20


def test_too_much_at_once_is_refused_and_what_was_taken_is_kept():
    async def action(committer, store):
        works = [asyncio.ensure_future(committer.append([Stream().item([started()])])) for _ in range(10)]
        done = await asyncio.gather(*works, return_exceptions=True)
        refused = [error for error in done if isinstance(error, HttpProblem)]
        assert refused
        assert {(error.status, error.retry_after_seconds) for error in refused} == {(429, 1)}
        assert (await committer.append([Stream().item([started()])]))[0].status is ReplyStatus.STORED

    committing(action, limit_bytes=1000)


def test_a_store_that_fails_is_told_to_those_who_wait_and_the_next_may_succeed():
    async def action(committer, store):
        store.full = True
        with pytest.raises(HttpProblem) as refusal:
            await committer.append([Stream().item([started()])])
        assert refusal.value.status == 503
        store.full = False
        assert (await committer.append([Stream().item([started()])]))[0].status is ReplyStatus.STORED

    committing(action)


def test_a_run_is_purged_behind_what_was_queued_before():
    stream = Stream(run="gone")

    async def action(committer, store):
        append = asyncio.ensure_future(committer.append([stream.item([started()])]))
        await asyncio.sleep(0)
        assert await committer.purge("p", "gone") == 1
        assert (await append)[0].status is ReplyStatus.STORED

    committing(action)


def test_stopping_finishes_what_was_queued():
    works = []

    async def action(committer, store):
        works.extend(asyncio.ensure_future(committer.append([Stream().item([started()])])) for _ in range(5))
        await asyncio.sleep(0)

    committing(action)
    assert all(work.result()[0].status is ReplyStatus.STORED for work in works)


def test_the_store_is_packed_while_nobody_waits():
    async def action(committer, store):
        while store.to_pack > 0:
            await asyncio.sleep(0.001)
        assert (await committer.append([Stream().item([started()])]))[0].status is ReplyStatus.STORED

    assert committing(action).groups == [1]
