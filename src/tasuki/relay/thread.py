"""The relay thread of a process: sends what its runs record, at its own pace, and never gets in their way.

It learns of new records by looking at the size of the journal, 25 times a second: logging tells it nothing and waits for nothing.
"""

import logging
import random
import threading
from contextlib import closing
from typing import TypedDict

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteError
from tasuki.relay.acks import FileAcks
from tasuki.relay.outgoing import Outgoing
from tasuki.relay.sender import Round, Sender, Transport

__all__ = ["Relay", "Sent"]

LOOK_SECONDS = 0.04
PACE_SECONDS = 1.0
PAUSE_SECONDS = 0.0005
COUNTED_BYTES_A_SECOND = 20e6
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
log = logging.getLogger("tasuki.relay")


class Sent(TypedDict):
    """Records acknowledged since the last such report, and records that are not acknowledged yet."""

    sent: int
    pending: int


class Relay:
    """One thread that owns one sender. Start it, ask it to hurry, stop it."""

    def __init__(self, source: Outgoing, transport: Transport, acks: FileAcks, *, clock: Clock = SYSTEM) -> None:
        self.source = source
        self.remote = source.remote
        self.sender = Sender(source, transport, acks, pause=self.pause)
        self.clock = clock
        self.thread: threading.Thread | None = None
        self.stopping = False
        self.hurry = 0
        self.hurried = 0
        self.sent = 0
        self.reported = 0
        self.failures = 0
        self.last_error: str | None = None

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self.thread is None or not self.thread.is_alive():
            self.stopping = False
            self.thread = threading.Thread(target=self.run, name="tasuki-relay", daemon=True)
            self.thread.start()

    def stop(self) -> None:
        """Let the thread end after what it does now."""
        self.stopping = True

    def drain(self, deadline: float) -> Sent:
        """Wait until everything recorded so far is acknowledged; says what was and what was not.

        It ends at the deadline (of the clock's `monotonic`): as much time as it takes to count what was not is kept for that.
        """
        with closing(self.source.beside()) as files:
            if not self.wait(deadline - self.counting_seconds(files)):
                self.wait(deadline - self.counting_seconds(files))  # there may be less to count by now
            pending = self.sender.pending(files)
        sent, self.reported = self.sent - self.reported, self.sent
        return Sent(sent=sent, pending=pending)

    def counting_seconds(self, files: Outgoing) -> float:
        """How long it takes to count what is not acknowledged, about."""
        return sum(stream.size - start for stream, start in self.sender.unacknowledged(files)) / COUNTED_BYTES_A_SECOND

    def wait(self, deadline: float) -> bool:
        """Wait until everything recorded so far is acknowledged; False when the time (of the clock's `monotonic`) has come."""
        self.source.look_around_soon()
        self.hurry += 1
        wanted = self.hurry
        while self.hurried < wanted and self.clock.monotonic() < deadline and self.thread is not None:
            self.clock.sleep(LOOK_SECONDS / 8)
        return self.hurried >= wanted

    def pause(self) -> None:
        """Between small pieces of work: let the training thread have the interpreter."""
        if self.hurry == self.hurried:
            self.clock.sleep(PAUSE_SECONDS)

    def run(self) -> None:
        """The thread's rounds, until stopped."""
        next_at = 0.0
        while not self.stopping:
            wanted = self.hurry
            if wanted == self.hurried and self.clock.monotonic() < next_at:
                self.clock.sleep(LOOK_SECONDS)
                continue
            try:
                said = self.sender.once()
                self.note_success(said, wanted)
                next_at = self.clock.monotonic() + (self.pace(said) if said.items else 0)
                if said.items == 0:
                    self.clock.sleep(LOOK_SECONDS)
            except RemoteError as error:
                next_at = self.clock.monotonic() + self.back_off(str(error))
                self.clock.sleep(LOOK_SECONDS)
            except Exception:
                log.exception("the relay to %s goes on after an error", self.remote)
                next_at = self.clock.monotonic() + self.back_off("an error of our own")
                self.clock.sleep(LOOK_SECONDS)

    def note_success(self, said: Round, wanted: int) -> None:
        """Count what arrived; when nothing is left to say, who waits for that may go on."""
        self.sent += said.records
        if self.failures:
            log.warning("%s is back", self.remote)
        self.failures, self.last_error = 0, None
        if said.items == 0:
            self.hurried = wanted

    def pace(self, said: Round) -> float:
        """How long to leave the server alone: a second, unless records are waiting in bulk, or as long as it asks for.

        What it was only asked for is put to use at once.
        """
        waiting = bool(self.sender.open_routes())
        if waiting and not said.records:
            return LOOK_SECONDS
        return max(0.0 if waiting else PACE_SECONDS, said.next_after_ms / 1000)

    def back_off(self, error: str) -> float:
        """How long to wait after a failure: full jitter, from one second to a minute."""
        if self.last_error is None:
            log.warning("records for %s stay here for now: %s", self.remote, error)
        self.failures, self.last_error = self.failures + 1, error
        longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self.failures - 1, 10))
        return random.uniform(0, longest)
