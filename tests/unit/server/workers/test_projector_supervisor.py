"""Requests and rounds: a request is answered by a round that began after it, whatever became of the projector in between."""

import asyncio
from collections.abc import Awaitable, Callable

from tasuki.clock import SYSTEM
from tasuki.server.workers.projector_supervisor import UNANSWERED, ProjectorSupervisor
from tasuki.settings import load


class Link:
    """One end of a socket; what is sent is counted, as the projector does."""

    def __init__(self, room: int = 10**9) -> None:
        self.sent = 0
        self.room = room

    def send(self, data: bytes) -> None:
        if self.sent >= self.room:
            raise BlockingIOError
        self.sent += len(data)


def keeping(action: Callable[[ProjectorSupervisor], Awaitable[None]]) -> int:
    """Do something with a keeper; returns how often it was told that the projection moved."""
    moved = []

    async def main() -> None:
        await action(ProjectorSupervisor(load({}), lambda: moved.append(True)))

    asyncio.run(main())
    return len(moved)


async def is_reached(keeper: ProjectorSupervisor, request: int) -> bool:
    return await keeper.reached(request, SYSTEM.monotonic())


def test_a_request_is_answered_by_a_round_that_began_after_it():
    async def action(keeper):
        keeper.link = Link()
        first, second = keeper.ask(), keeper.ask()
        assert not await is_reached(keeper, first)
        keeper.heard([b"1 7"])
        assert await is_reached(keeper, first)
        assert not await is_reached(keeper, second)
        keeper.heard([b"2 7"])
        assert await is_reached(keeper, second)
        assert keeper.generation == 7

    keeping(action)


def test_progress_within_a_round_answers_nothing_and_is_passed_on():
    async def action(keeper):
        keeper.link = Link()
        request = keeper.ask()
        keeper.heard([b"p", b"p"])
        assert not await is_reached(keeper, request)

    assert keeping(action) == 1


def test_one_who_waits_is_woken_by_the_answer():
    async def action(keeper):
        keeper.link = Link()
        waiting = asyncio.create_task(keeper.reached(keeper.ask(), SYSTEM.monotonic() + 10))
        await asyncio.sleep(0)
        keeper.heard([b"p"])
        await asyncio.sleep(0)
        keeper.heard([b"1 1"])
        assert await waiting

    keeping(action)


def test_while_there_is_no_projector_requests_are_owed_to_the_next():
    async def action(keeper):
        request = keeper.ask()
        keeper.link = link = Link()
        keeper.pay()
        assert link.sent == 1
        keeper.heard([b"0 1"])
        assert not await is_reached(keeper, request)
        keeper.heard([b"1 1"])
        assert await is_reached(keeper, request)

    keeping(action)


def test_what_a_dead_projector_was_asked_the_first_round_of_the_next_answers():
    async def action(keeper):
        keeper.link = Link()
        requests = [keeper.ask() for _ in range(3)]
        keeper.heard([b"1 1"])
        keeper.link, keeper.before = Link(), keeper.asked
        keeper.heard([b"p"])
        assert not await is_reached(keeper, requests[1])
        keeper.heard([b"0 1"])
        assert await is_reached(keeper, requests[2])
        later = keeper.ask()
        assert not await is_reached(keeper, later)
        keeper.heard([b"1 1"])
        assert await is_reached(keeper, later)

    keeping(action)


def test_a_projector_that_hangs_is_not_flooded():
    async def action(keeper):
        keeper.link = link = Link()
        requests = [keeper.ask() for _ in range(UNANSWERED + 50)]
        assert link.sent == UNANSWERED
        assert requests[-1] == UNANSWERED + 1
        keeper.heard([f"{UNANSWERED} 1".encode()])
        assert link.sent == UNANSWERED + 1
        assert not await is_reached(keeper, requests[-1])
        keeper.heard([f"{UNANSWERED + 1} 1".encode()])
        assert await is_reached(keeper, requests[-1])

    keeping(action)


def test_a_full_socket_is_as_good_as_none():
    async def action(keeper):
        keeper.link = Link(room=1)
        first, second = keeper.ask(), keeper.ask()
        assert (first, second, keeper.owed) == (1, 2, True)

    keeping(action)
