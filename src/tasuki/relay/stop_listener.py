"""Listen for a server's stop commands on a connection of its own, while the relay has nothing to send.

It blocks nobody: the request is sent, and the answer read once its beginning is there.
"""

import http.client
import logging
import select
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteError
from tasuki.journal import write_control
from tasuki.records import AttemptRef, ReplicateRequest, StopCommand
from tasuki.relay.backoff import Backoff
from tasuki.relay.http_transport import HttpTransport, Token

__all__ = ["StopListener"]

WAIT_SECONDS = 25.0
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 60.0
MOST_RUNS = 1000
log = logging.getLogger("tasuki.relay")


class StopListener:
    """Long polls, one after the other, checked by the relay between its rounds.

    `runs` says which attempts this process makes now, and `told` hears what is wanted of them, each once; whoever else makes the
    same run (a forked worker) finds it in the data folder.
    """

    def __init__(
        self,
        remote: str,
        folder: Path,
        key: Token = None,
        *,
        runs: Callable[[], list[AttemptRef]] = list,
        told: Callable[[StopCommand], None] = lambda _: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.folder = folder
        self.transport = HttpTransport(remote, token=key, timeout_seconds=CONNECT_SECONDS, clock=clock)
        self.runs = runs
        self.told = told
        self.clock = clock
        self.patience = Backoff()
        self.asked: list[AttemptRef] = []
        self.asked_at: float | None = None
        self.next_at = clock.monotonic()
        self.obeyed: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Read the response if it is there; send a request if none is open or the runs have changed."""
        try:
            if self.asked_at is not None:
                self.listen(self.asked_at)
            wanted = self.wanted()
            if self.asked_at is not None and wanted != self.asked:
                self.stop()
            if self.asked_at is None and wanted and self.clock.monotonic() >= self.next_at:
                self.ask(wanted)
        except (OSError, http.client.HTTPException, RemoteError) as error:
            self.stop()
            self.next_at = self.clock.monotonic() + max(self.patience.failed(error), 1.0)

    def wanted(self) -> list[AttemptRef]:
        """Return the attempts that have not received a command yet."""
        return [run for run in self.runs() if (run.run, run.attempt) not in self.obeyed][:MOST_RUNS]

    def ask(self, runs: list[AttemptRef]) -> None:
        """Send the request."""
        self.transport.ask(msgspec.msgpack.encode(ReplicateRequest(wait_s=WAIT_SECONDS, listening=runs)))
        self.asked, self.asked_at = runs, self.clock.monotonic()

    def listen(self, asked_at: float) -> None:
        """Read the response, if it is there. Raise TimeoutError if it is overdue."""
        if self.has_answered():
            self.hear()
        elif self.clock.monotonic() > asked_at + SILENT_SECONDS:
            raise TimeoutError("no answer")

    def has_answered(self) -> bool:
        """Return whether the response has begun."""
        poll = select.poll()
        poll.register(self.transport.connected().sock, select.POLLIN)
        return bool(poll.poll(0))

    def hear(self) -> None:
        """Read and process the response."""
        answer = self.transport.answer(self.transport.heard(), set())
        self.asked_at = None
        self.next_at = self.clock.monotonic() + answer.next_after_ms / 1000
        self.patience.succeeded()
        self.obey(answer.control)

    def obey(self, said: Iterable[StopCommand]) -> None:
        """Pass on the commands for attempts of this process."""
        ours = {(run.run, run.attempt) for run in self.wanted()}
        for control in said:
            key = (control.run, control.attempt)
            if key in ours - self.obeyed:
                self.obeyed.add(key)
                self.told(control)
                try:
                    write_control(self.folder, control)
                except OSError as error:
                    log.warning("the request to run %s can't be left in %s: %s", control.run, self.folder, error)

    def stop(self) -> None:
        """Close the connection."""
        self.asked_at = None
        self.transport.close()
