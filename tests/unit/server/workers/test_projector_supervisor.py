"""Requests and rounds: a request is answered by a round that began after it, whatever became of the projector in between."""

import asyncio
from collections.abc import Awaitable, Callable

from tasuki.clock import SYSTEM_CLOCK
from tasuki.server.workers.projector_supervisor import MAX_UNANSWERED_REQUESTS, ProjectorSupervisor
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
    """Do something with a supervisor; returns how often it was told that the projection moved."""
    moved = []

    async def main() -> None:
        await action(ProjectorSupervisor(load({}), lambda: moved.append(True)))

    asyncio.run(main())
    return len(moved)


async def is_reached(supervisor: ProjectorSupervisor, request: int) -> bool:
    return await supervisor.wait_answered(request, SYSTEM_CLOCK.monotonic())


def test_a_request_is_answered_by_a_round_that_began_after_it():
    async def action(supervisor):
        supervisor.connection = Link()
        first, second = supervisor.request_round(), supervisor.request_round()
        assert not await is_reached(supervisor, first)
        supervisor.handle_lines([b"1 7"])
        assert await is_reached(supervisor, first)
        assert not await is_reached(supervisor, second)
        supervisor.handle_lines([b"2 7"])
        assert await is_reached(supervisor, second)
        assert supervisor.generation == 7

    keeping(action)


def test_progress_within_a_round_answers_nothing_and_is_passed_on():
    async def action(supervisor):
        supervisor.connection = Link()
        request = supervisor.request_round()
        supervisor.handle_lines([b"p", b"p"])
        assert not await is_reached(supervisor, request)

    assert keeping(action) == 1


def test_one_who_waits_is_woken_by_the_answer():
    async def action(supervisor):
        supervisor.connection = Link()
        waiting = asyncio.create_task(supervisor.wait_answered(supervisor.request_round(), SYSTEM_CLOCK.monotonic() + 10))
        await asyncio.sleep(0)
        supervisor.handle_lines([b"p"])
        await asyncio.sleep(0)
        supervisor.handle_lines([b"1 1"])
        assert await waiting

    keeping(action)


def test_while_there_is_no_projector_requests_are_owed_to_the_next():
    async def action(supervisor):
        request = supervisor.request_round()
        supervisor.connection = link = Link()
        supervisor.send_unsent_request()
        assert link.sent == 1
        supervisor.handle_lines([b"0 1"])
        assert not await is_reached(supervisor, request)
        supervisor.handle_lines([b"1 1"])
        assert await is_reached(supervisor, request)

    keeping(action)


def test_what_a_dead_projector_was_asked_the_first_round_of_the_next_answers():
    async def action(supervisor):
        supervisor.connection = Link()
        requests = [supervisor.request_round() for _ in range(3)]
        supervisor.handle_lines([b"1 1"])
        supervisor.connection, supervisor.sent_before_start = Link(), supervisor.sent_count
        supervisor.handle_lines([b"p"])
        assert not await is_reached(supervisor, requests[1])
        supervisor.handle_lines([b"0 1"])
        assert await is_reached(supervisor, requests[2])
        later = supervisor.request_round()
        assert not await is_reached(supervisor, later)
        supervisor.handle_lines([b"1 1"])
        assert await is_reached(supervisor, later)

    keeping(action)


def test_a_projector_that_hangs_is_not_flooded():
    async def action(supervisor):
        supervisor.connection = link = Link()
        requests = [supervisor.request_round() for _ in range(MAX_UNANSWERED_REQUESTS + 50)]
        assert link.sent == MAX_UNANSWERED_REQUESTS
        assert requests[-1] == MAX_UNANSWERED_REQUESTS + 1
        supervisor.handle_lines([f"{MAX_UNANSWERED_REQUESTS} 1".encode()])
        assert link.sent == MAX_UNANSWERED_REQUESTS + 1
        assert not await is_reached(supervisor, requests[-1])
        supervisor.handle_lines([f"{MAX_UNANSWERED_REQUESTS + 1} 1".encode()])
        assert await is_reached(supervisor, requests[-1])

    keeping(action)


def test_a_full_socket_is_as_good_as_none():
    async def action(supervisor):
        supervisor.connection = Link(room=1)
        first, second = supervisor.request_round(), supervisor.request_round()
        assert (first, second, supervisor.has_unsent_request) == (1, 2, True)

    keeping(action)
