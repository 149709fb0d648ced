"""Listen for a server's stop commands on a connection of its own, while the relay has nothing to send.

It blocks nobody: the request is sent, and the answer read once its beginning is there.
"""

import http.client
import logging
import select
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteError
from tasuki.journal import write_stop_file
from tasuki.records import AttemptRef, ReplicateRequest, StopCommand
from tasuki.relay.backoff import Backoff
from tasuki.relay.http_transport import HttpTransport, Token

__all__ = ["StopListener"]

LONG_POLL_SECONDS = 25.0
CONNECT_TIMEOUT_SECONDS = 5.0
RESPONSE_TIMEOUT_SECONDS = 60.0
MAX_ATTEMPTS = 1000
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
        list_attempts: Callable[[], list[AttemptRef]] = list,
        on_command: Callable[[StopCommand], None] = lambda _: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.folder = folder
        self.transport = HttpTransport(remote, token=key, timeout_seconds=CONNECT_TIMEOUT_SECONDS, clock=clock)
        self.list_attempts = list_attempts
        self.on_command = on_command
        self.clock = clock
        self.backoff = Backoff()
        self.requested_attempts: list[AttemptRef] = []
        self.requested_at: float | None = None
        self.next_request_at = clock.monotonic()
        self.delivered_commands: set[tuple[str, str]] = set()

    def poll(self) -> None:
        """Read the response if it is there; send a request if none is open or the runs have changed."""
        try:
            if self.requested_at is not None:
                self.check_response(self.requested_at)
            wanted = self.list_awaiting_attempts()
            if self.requested_at is not None and wanted != self.requested_attempts:
                self.stop()
            if self.requested_at is None and wanted and self.clock.monotonic() >= self.next_request_at:
                self.send_request(wanted)
        except (OSError, http.client.HTTPException, RemoteError) as error:
            self.stop()
            self.next_request_at = self.clock.monotonic() + max(self.backoff.record_failure(error), 1.0)

    def list_awaiting_attempts(self) -> list[AttemptRef]:
        """Return the attempts that have not received a command yet."""
        return [run for run in self.list_attempts() if (run.run, run.attempt) not in self.delivered_commands][:MAX_ATTEMPTS]

    def send_request(self, attempts: list[AttemptRef]) -> None:
        """Send the request."""
        self.transport.send_request(msgspec.msgpack.encode(ReplicateRequest(wait_s=LONG_POLL_SECONDS, listening=attempts)))
        self.requested_attempts, self.requested_at = attempts, self.clock.monotonic()

    def check_response(self, requested_at: float) -> None:
        """Read the response, if it is there. Raise TimeoutError if it is overdue."""
        if self.has_response():
            self.read_response()
        elif self.clock.monotonic() > requested_at + RESPONSE_TIMEOUT_SECONDS:
            raise TimeoutError("no answer")

    def has_response(self) -> bool:
        """Return whether the response has begun."""
        poll = select.poll()
        poll.register(self.transport.open_connection().sock, select.POLLIN)
        return bool(poll.poll(0))

    def read_response(self) -> None:
        """Read and process the response."""
        answer = self.transport.decode_response(self.transport.read_response(), set())
        self.requested_at = None
        self.next_request_at = self.clock.monotonic() + answer.next_after_ms / 1000
        self.backoff.record_success()
        self.deliver_commands(answer.control)

    def deliver_commands(self, commands: Iterable[StopCommand]) -> None:
        """Pass on the commands for attempts of this process."""
        ours = {(run.run, run.attempt) for run in self.list_awaiting_attempts()}
        for control in commands:
            key = (control.run, control.attempt)
            if key in ours - self.delivered_commands:
                self.delivered_commands.add(key)
                self.on_command(control)
                try:
                    write_stop_file(self.folder, control)
                except OSError as error:
                    log.warning("the request to run %s can't be left in %s: %s", control.run, self.folder, error)

    def stop(self) -> None:
        """Close the connection."""
        self.requested_at = None
        self.transport.close()
