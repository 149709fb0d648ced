"""The projector: a process that catches up the projection on request.

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

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.settings import load
from tasuki.store import LocalStore, generation_number, open_folder_store

__all__ = ["Projector", "main"]

IDLE_POLL_SECONDS = 0.5
"""Local processes write journals and tell nobody: look this often."""
DEAD_WRITER_CHECK_SECONDS = 2.0
"""Looking for dead writers costs as much as looking for new records."""
READ_BYTES = 65_536


class SupervisorGone(Exception):
    """Nobody is at the other end."""


class Projector:
    """Catches up in rounds."""

    def __init__(self, store: LocalStore, connection: socket.socket, clock: Clock = SYSTEM_CLOCK) -> None:
        self.store = store
        self.connection = connection
        self.clock = clock
        self.requests_read = 0
        self.last_dead_writer_check = -DEAD_WRITER_CHECK_SECONDS

    def run(self) -> None:
        """Round after round, until the other end is gone."""
        try:
            while True:
                heard = self.requests_read
                self.run_round()
                self.send_line(f"{heard} {generation_number(self.store.path)}\n")
                self.read_requests(IDLE_POLL_SECONDS if self.requests_read == heard else 0)
        except (SupervisorGone, BrokenPipeError, ConnectionResetError):
            return

    def run_round(self) -> None:
        """Catch up, in the store that is the current one even when it is over."""
        tend = self.clock.monotonic() >= self.last_dead_writer_check + DEAD_WRITER_CHECK_SECONDS
        if tend:
            self.last_dead_writer_check = self.clock.monotonic()
        while True:
            self.store.project_all(self.report_progress, seal_dead_writers=tend)
            if self.store.path == self.store.generations.current():
                return

    def report_progress(self, _: int) -> None:
        """Between two transactions: others can see more now."""
        self.read_requests(0)
        self.send_line("p\n")

    def read_requests(self, seconds: float) -> None:
        """Count the bytes that came; wait for one if there are none, as long as that. Gone at the end."""
        if self.is_readable(seconds):
            data = self.connection.recv(READ_BYTES)
            if not data:
                raise SupervisorGone
            self.requests_read += len(data)

    def is_readable(self, seconds: float) -> bool:
        """Return whether input arrives within that time."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def send_line(self, line: str) -> None:
        """A line to the other end."""
        self.connection.sendall(line.encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the projector: `python -m tasuki.server.workers.projector`."""
    parser = argparse.ArgumentParser(description="Projects a data folder for the server that started it.")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--journal")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="projector: %(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):  # which are for the server, whose end is ours
        signal.signal(number, signal.SIG_IGN)
    with open_folder_store(load(dir=chosen.dir, journal=chosen.journal)) as store, socket.socket(fileno=0) as link:
        Projector(store, link).run()


if __name__ == "__main__":
    main()
