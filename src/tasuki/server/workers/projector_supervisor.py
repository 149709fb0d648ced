"""The keeper of the projector: starts it, tells it to catch up, knows how far it came, and starts it again when it dies."""

import asyncio
import logging
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress

from tasuki.clock import SYSTEM, Clock
from tasuki.settings import Settings

__all__ = ["ProjectorSupervisor"]

LONGEST_PAUSE_SECONDS = 10.0
HEALTHY_SECONDS = 5.0
STOP_SECONDS = 2.0
UNANSWERED = 1000
"""So many requests may be on their way; more would fill the socket of a projector that hangs."""
log = logging.getLogger("tasuki.server")


class ProjectorSupervisor:
    """To be used from the event loop. `moved` is called whenever there may be something new in the projection.

    A request is numbered; it is answered when a round has ended that began after it. Requests are bytes: the projector counts them.
    """

    def __init__(self, settings: Settings, moved: Callable[[], object], clock: Clock = SYSTEM) -> None:
        self.settings = settings
        self.moved = moved
        self.clock = clock
        self.asked = self.answered = self.before = self.generation = 0
        self.owed = False
        self.link: socket.socket | None = None
        self.process: Process | None = None
        self.changed = asyncio.Event()

    def command(self) -> list[str]:
        """How the projector is started."""
        journal = [] if self.settings.journal is None else [f"--journal={self.settings.journal}"]
        return [sys.executable, "-m", "tasuki.server.workers.projector", f"--dir={self.settings.dir}", *journal]

    # -- asking

    def ask(self) -> int:
        """Ask for a round; returns the number of the request."""
        if self.link is not None and self.asked - self.answered < UNANSWERED:
            with suppress(BlockingIOError, OSError):
                self.link.send(b".")
                self.asked += 1
                return self.asked
        self.owed = True
        return self.asked + 1

    async def reached(self, request: int, deadline: float) -> bool:
        """Wait until a request is answered; False when the time (of the clock's `monotonic`) is over."""
        while self.answered < request:
            if not await self.change(deadline):
                return False
        return True

    async def change(self, deadline: float) -> bool:
        """Wait until the projection may have moved; False when the time is over."""
        try:
            async with asyncio.timeout(max(0, deadline - self.clock.monotonic())):
                await self.changed.wait()
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
                await self.live()
            finally:
                await self.end()
            healthy = self.clock.monotonic() - began > HEALTHY_SECONDS
            pause = 0.1 if healthy else min(2 * pause, LONGEST_PAUSE_SECONDS)
            log.warning("the projector ended and is started again in %.1f s", pause)
            await asyncio.sleep(pause)

    async def live(self) -> None:
        """One projector's life."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            self.process = await asyncio.create_subprocess_exec(*self.command(), stdin=theirs.fileno())
        self.before, self.link = self.asked, ours
        self.pay()
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
            self.heard(lines)

    def heard(self, lines: list[bytes]) -> None:
        """What the projector said."""
        for line in lines:
            if line != b"p":
                heard, generation = map(int, line.split())
                self.answered, self.generation = max(self.answered, self.before + heard), generation
        self.pay()
        self.changed.set()
        self.changed = asyncio.Event()
        self.moved()

    def pay(self) -> None:
        """Send the request that could not be sent."""
        if self.owed:
            self.owed = False
            self.ask()

    async def end(self) -> None:
        """Let the projector go, and wait for its end."""
        if self.link is not None:
            self.link.close()
            self.link = None
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
