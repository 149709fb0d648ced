"""The projector: a process of its own that brings the projection to where the streams are, whenever it is told to.

It holds one end of a socket as its standard input. Each byte that comes in is a request to catch up; after each round it answers
with a line that says how many bytes it had read when the round began and which generation is complete now, and in the middle of a
long one with `p`. It ends when the other end does.
"""

import argparse
import logging
import select
import signal
import socket
from collections.abc import Sequence

from tasuki.clock import SYSTEM, Clock
from tasuki.settings import load
from tasuki.store import LocalStore, generation_number, open_local

__all__ = ["Projector", "main"]

QUIET_SECONDS = 0.5
"""Local processes write journals and tell nobody: look this often."""
TEND_SECONDS = 2.0
"""Looking for dead writers costs as much as looking for new records."""
READ_BYTES = 65_536


class SupervisorGone(Exception):
    """Nobody is at the other end."""


class Projector:
    """Catches up in rounds."""

    def __init__(self, store: LocalStore, link: socket.socket, clock: Clock = SYSTEM) -> None:
        self.store = store
        self.link = link
        self.clock = clock
        self.heard = 0
        self.tended = -TEND_SECONDS

    def run(self) -> None:
        """Round after round, until the other end is gone."""
        try:
            while True:
                heard = self.heard
                self.round()
                self.say(f"{heard} {generation_number(self.store.path)}\n")
                self.listen(QUIET_SECONDS if self.heard == heard else 0)
        except (SupervisorGone, BrokenPipeError, ConnectionResetError):
            return

    def round(self) -> None:
        """Catch up, in the store that is the current one even when it is over."""
        tend = self.clock.monotonic() >= self.tended + TEND_SECONDS
        if tend:
            self.tended = self.clock.monotonic()
        while True:
            self.store.project_all(self.progress, tend=tend)
            if self.store.path == self.store.generations.current():
                return

    def progress(self, _: int) -> None:
        """Between two transactions: others can see more now."""
        self.listen(0)
        self.say("p\n")

    def listen(self, seconds: float) -> None:
        """Count the bytes that came; wait for one if there are none, as long as that. Gone at the end."""
        if self.heard_all(seconds):
            data = self.link.recv(READ_BYTES)
            if not data:
                raise SupervisorGone
            self.heard += len(data)

    def heard_all(self, seconds: float) -> bool:
        """Whether there is something to read within that time."""
        return bool(select.select([self.link], [], [], seconds)[0])

    def say(self, line: str) -> None:
        """A line to the other end."""
        self.link.sendall(line.encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """What `python -m tasuki.server.workers.projector` does."""
    parser = argparse.ArgumentParser(description="Projects a data folder for the server that started it.")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--journal")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="projector: %(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):  # which are for the server, whose end is ours
        signal.signal(number, signal.SIG_IGN)
    with open_local(load(dir=chosen.dir, journal=chosen.journal)) as store, socket.socket(fileno=0) as link:
        Projector(store, link).run()


if __name__ == "__main__":
    main()
