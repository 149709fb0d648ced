"""Supervisor of the projector process: start it, request rounds, restart it when it dies."""

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
    """Runs the projector.

    Use it from the event loop; it calls `moved` when the projection may have changed.

    A request is numbered; it is answered when a round has ended that began after it. Requests are bytes: the projector counts them.
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
        """Build the projector's command."""
        journal = [] if self.settings.journal is None else [f"--journal={self.settings.journal}"]
        return [sys.executable, "-m", "tasuki.server.workers.projector", f"--dir={self.settings.dir}", *journal]

    # -- asking

    def request_round(self) -> int:
        """Ask for a round; returns the number of the request."""
        if self.connection is not None and self.sent_count - self.answered_count < MAX_UNANSWERED_REQUESTS:
            with suppress(BlockingIOError, OSError):
                self.connection.send(b".")
                self.sent_count += 1
                return self.sent_count
        self.has_unsent_request = True
        return self.sent_count + 1

    async def wait_answered(self, request: int, deadline: float) -> bool:
        """Wait until a request is answered; False when the time (of the clock's `monotonic`) is over."""
        while self.answered_count < request:
            if not await self.wait_for_change(deadline):
                return False
        return True

    async def wait_for_change(self, deadline: float) -> bool:
        """Wait until the projection may have moved; False when the time is over."""
        try:
            async with asyncio.timeout(max(0, deadline - self.clock.monotonic())):
                await self.change_event.wait()
        except TimeoutError:
            return False
        return True

    # -- the process

    async def run(self) -> None:
        """Keep a projector running until cancelled."""
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
        """One projector's life."""
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
        """Process the projector's output."""
        for line in lines:
            if line != b"p":
                heard, generation = map(int, line.split())
                self.answered_count, self.generation = max(self.answered_count, self.sent_before_start + heard), generation
        self.send_unsent_request()
        self.change_event.set()
        self.change_event = asyncio.Event()
        self.on_change()

    def send_unsent_request(self) -> None:
        """Send the request that could not be sent."""
        if self.has_unsent_request:
            self.has_unsent_request = False
            self.request_round()

    async def stop_process(self) -> None:
        """Let the projector go, and wait for its end."""
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
