"""Supervisor of the projector process: start it, request rounds, track answers, restart with backoff."""

import asyncio
import logging
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.settings import Settings

__all__ = ["ProjectorSupervisor"]

MAX_RESTART_SECONDS = 10.0
HEALTHY_SECONDS = 5.0
STOP_SECONDS = 2.0
MAX_UNANSWERED_REQUESTS = 1000
"""So many requests may be on their way; more would fill the socket of a projector that hangs."""
log = logging.getLogger("tasuki.server")


class ProjectorSupervisor:
    """Supervises one projector process. For the event loop only.

    Calls `on_change` when the projection may have changed.
    Requests are numbered by the bytes sent. A request is answered when a round that began after it has ended; the projector
    reports how many bytes it had read when the round began.
    """

    def __init__(self, settings: Settings, on_change: Callable[[], object], clock: Clock = SYSTEM_CLOCK) -> None:
        self.settings = settings
        self.on_change = on_change
        self.clock = clock
        self.sent_count = self.answered_count = self.sent_before_start = self.generation = 0
        self.has_unsent_request = False
        self.connection: socket.socket | None = None
        self.process: Process | None = None
        self.change_event = asyncio.Event()

    def build_command(self) -> list[str]:
        """Return the command line of the projector."""
        journal = [] if self.settings.journal is None else [f"--journal={self.settings.journal}"]
        return [sys.executable, "-m", "tasuki.server.workers.projector", f"--dir={self.settings.dir}", *journal]

    # -- asking

    def request_round(self) -> int:
        """Request a round. Return the number of the request, for `wait_answered`."""
        if self.connection is not None and self.sent_count - self.answered_count < MAX_UNANSWERED_REQUESTS:
            with suppress(BlockingIOError, OSError):
                self.connection.send(b".")
                self.sent_count += 1
                return self.sent_count
        self.has_unsent_request = True
        return self.sent_count + 1

    async def wait_answered(self, request: int, deadline: float) -> bool:
        """Wait until a request is answered. Return False at `deadline` (monotonic seconds)."""
        while self.answered_count < request:
            if not await self.wait_for_change(deadline):
                return False
        return True

    async def wait_for_change(self, deadline: float) -> bool:
        """Wait until the projection may have changed. Return False at `deadline` (monotonic seconds)."""
        try:
            async with asyncio.timeout(max(0, deadline - self.clock.monotonic())):
                await self.change_event.wait()
        except TimeoutError:
            return False
        return True

    # -- the process

    async def run(self) -> None:
        """Keep a projector running until cancelled; restart it after 0.1 to 10 s, doubling the pause."""
        pause = 0.1
        while True:
            began = self.clock.monotonic()
            try:
                await self.run_process()
            finally:
                await self.stop_process()
            healthy = self.clock.monotonic() - began > HEALTHY_SECONDS
            pause = 0.1 if healthy else min(2 * pause, MAX_RESTART_SECONDS)
            log.warning("the projector ended and is started again in %.1f s", pause)
            await asyncio.sleep(pause)

    async def run_process(self) -> None:
        """Start a projector and handle its lines until it ends."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            self.process = await asyncio.create_subprocess_exec(*self.build_command(), stdin=theirs.fileno())
        self.sent_before_start, self.connection = self.sent_count, ours
        self.send_unsent_request()
        loop = asyncio.get_running_loop()
        rest = b""
        while True:
            try:
                data = await loop.sock_recv(ours, 65_536)
            except ConnectionResetError:
                return
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            self.handle_lines(lines)

    def handle_lines(self, lines: list[bytes]) -> None:
        """Process lines of the projector: answered requests, or progress."""
        for line in lines:
            if line != b"p":
                heard, generation = map(int, line.split())
                self.answered_count, self.generation = max(self.answered_count, self.sent_before_start + heard), generation
        self.send_unsent_request()
        self.change_event.set()
        self.change_event = asyncio.Event()
        self.on_change()

    def send_unsent_request(self) -> None:
        """Send the request that could not be sent before."""
        if self.has_unsent_request:
            self.has_unsent_request = False
            self.request_round()

    async def stop_process(self) -> None:
        """Close the socket and wait 2 s for the projector to end, then kill it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
