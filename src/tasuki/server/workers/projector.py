"""Projector process: update the projection of a data folder when the server requests it.

Standard input is one end of a socket pair. Each received byte is a request to catch up. After each round, the projector sends
a line with the number of bytes it had read when the round began, and the generation that is now complete; during a long
round it sends the line `p` for progress. The process ends when the other end of the socket closes.
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
    """The supervisor has closed its end of the socket."""


class Projector:
    """Updates the projection in rounds, and reports each round to the supervisor."""

    def __init__(self, store: LocalStore, connection: socket.socket, clock: Clock = SYSTEM_CLOCK) -> None:
        self.store = store
        self.connection = connection
        self.clock = clock
        self.requests_read = 0
        self.last_dead_writer_check = -DEAD_WRITER_CHECK_SECONDS

    def run(self) -> None:
        """Run rounds until the supervisor is gone."""
        try:
            while True:
                heard = self.requests_read
                self.run_round()
                self.send_line(f"{heard} {generation_number(self.store.path)}\n")
                self.read_requests(IDLE_POLL_SECONDS if self.requests_read == heard else 0)
        except (SupervisorGone, BrokenPipeError, ConnectionResetError):
            return

    def run_round(self) -> None:
        """Catch up. Repeat if another process has switched to a new generation meanwhile."""
        tend = self.clock.monotonic() >= self.last_dead_writer_check + DEAD_WRITER_CHECK_SECONDS
        if tend:
            self.last_dead_writer_check = self.clock.monotonic()
        while True:
            self.store.project_all(self.report_progress, seal_dead_writers=tend)
            if self.store.path == self.store.generations.current():
                return

    def report_progress(self, _: int) -> None:
        """Report progress between two transactions, since readers can see more now."""
        self.read_requests(0)
        self.send_line("p\n")

    def read_requests(self, seconds: float) -> None:
        """Count the received requests; wait `seconds` for one. Raise SupervisorGone if the socket is closed."""
        if self.is_readable(seconds):
            data = self.connection.recv(READ_BYTES)
            if not data:
                raise SupervisorGone
            self.requests_read += len(data)

    def is_readable(self, seconds: float) -> bool:
        """Return whether the socket becomes readable within `seconds`."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def send_line(self, line: str) -> None:
        """Send a line to the supervisor."""
        self.connection.sendall(line.encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `python -m tasuki.server.workers.projector`."""
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
