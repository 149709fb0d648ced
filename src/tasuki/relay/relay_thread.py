"""The relay thread of a process: sends the records of its runs in the background.

It learns of new records by looking at the size of the journal, 25 times a second while there are none: logging tells it nothing and
waits for nothing. Each time it wakes, or comes back from the disk or the network, it takes the interpreter from a busy training
thread, which costs that a tenth of a millisecond, however little is done: so it wakes seldom and does much at a time.
"""

import logging
import threading
from contextlib import closing
from queue import Empty, SimpleQueue
from typing import TypedDict

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteError
from tasuki.failpoints import reach
from tasuki.relay.backoff import Backoff
from tasuki.relay.http_transport import HttpTransport
from tasuki.relay.process_source import ProcessSource
from tasuki.relay.sender import Sender, SendRound
from tasuki.relay.state.remote_state import RemoteState
from tasuki.relay.state.remote_status import RemoteHealth
from tasuki.relay.stop_listener import StopListener
from tasuki.remotes import Key

__all__ = ["RelayThread", "SendCounts"]

LOOK_SECONDS = 0.04
PACE_SECONDS = 1.0
COUNTED_BYTES_A_SECOND = 20e6
CARE_SECONDS = 1.0
log = logging.getLogger("tasuki.relay")


class SendCounts(TypedDict):
    """Records acknowledged since the last report, and records not acknowledged yet."""

    sent: int
    pending: int


class RelayThread:
    """A thread that owns one sender: start it, hurry it, stop it.

    `key` returns the token that is valid now.
    """

    def __init__(
        self,
        source: ProcessSource,
        transport: HttpTransport,
        kept: RemoteState,
        *,
        listener: StopListener,
        key: Key,
        clock: Clock = SYSTEM,
    ) -> None:
        self.source = source
        self.remote = source.remote
        self.transport = transport
        self.standing = kept.standing
        self.sender = Sender(source, transport, kept.acks, kept.aside, clock=clock)
        self.listener = listener
        self.key = key
        self.known_key = key()
        self.clock = clock
        self.patience = Backoff()
        self.care_at = 0.0
        self.restarts = 0
        self.thread: threading.Thread | None = None
        self.stopping = False
        self.bell: SimpleQueue[None] = SimpleQueue()  # unlike an Event, it may be rung in a signal handler
        self.hurry = 0
        self.hurried = 0
        self.sent = 0
        self.reported = 0

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self.thread is None or not self.thread.is_alive():
            self.stopping = False
            self.thread = threading.Thread(target=self.run, name="tasuki-relay", daemon=True)
            self.thread.start()

    def stop(self) -> None:
        """Let the thread end after its current action."""
        self.stopping = True
        self.bell.put(None)

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the thread to end, if it was stopped."""
        if self.thread is not None and self.stopping:
            self.thread.join(seconds)

    def watch(self) -> None:
        """Restart the thread if it has died; the maintenance thread calls this."""
        if self.thread is not None and not self.thread.is_alive() and not self.stopping:
            self.restarts += 1
            log.error("the relay to %s has died and is started again", self.remote)
            self.start()

    def drain(self, deadline: float) -> SendCounts:
        """Wait until everything recorded so far is acknowledged, and return the counts.

        It ends at the deadline (of the clock's `monotonic`): as much time as it takes to count what was not is kept for that.
        """
        with closing(self.source.beside()) as files:
            if not self.wait(deadline - self.counting_seconds(files)):
                self.wait(deadline - self.counting_seconds(files))  # there may be less to count by now
            pending = self.sender.pending(files)
        sent, self.reported = self.sent - self.reported, self.sent
        return SendCounts(sent=sent, pending=pending)

    def counting_seconds(self, files: ProcessSource) -> float:
        """Estimate the seconds that counting the unacknowledged records takes."""
        return sum(stream.size - start for stream, start in self.sender.unacknowledged(files)) / COUNTED_BYTES_A_SECOND

    def wait(self, deadline: float) -> bool:
        """Wait until everything recorded so far is acknowledged.

        Return False at the deadline (`monotonic` seconds).
        """
        self.source.look_around_soon()
        self.hurry += 1
        wanted = self.hurry
        self.bell.put(None)
        while self.hurried < wanted and self.clock.monotonic() < deadline and self.thread is not None:
            if self.stopping or self.patience.health is RemoteHealth.PAUSED:
                break
            self.clock.sleep(LOOK_SECONDS / 8)
        return self.hurried >= wanted

    def run(self) -> None:
        """Do the thread's rounds, until stopped."""
        while not self.stopping:
            wanted = self.hurry
            try:
                reach("relay.round")
                said = self.sender.once()
                self.note_success(said, wanted)
                self.listener.obey(said.control)
                seconds = self.pace(said)
            except RemoteError as error:
                seconds = self.back_off(error)
            except Exception as error:
                log.exception("the relay to %s goes on after an error", self.remote)
                seconds = self.back_off(error)
            self.rest(seconds)
        self.listener.stop()
        self.transport.close()
        self.source.close()

    def rest(self, seconds: float) -> None:
        """Sleep until the time is over or the bell rings; only for one poll while another thread waits.

        A wait that the remote has asked for is kept, whoever rings, until there is a new key.
        """
        until = self.clock.monotonic() + seconds
        while not self.take_care() and not self.stopping and (left := until - self.clock.monotonic()) > 0:
            keeps_away = self.patience.asked or self.patience.health is RemoteHealth.PAUSED
            hurries = self.hurried != self.hurry and not keeps_away
            try:
                self.bell.get(timeout=min(left, LOOK_SECONDS if hurries else CARE_SECONDS))
            except Empty:
                if hurries:
                    return
            else:
                if not keeps_away:
                    return

    def take_care(self) -> bool:
        """Once a second, read stop commands and check for a new key. Return True if the key changed."""
        if self.clock.monotonic() < self.care_at:
            return False
        self.care_at = self.clock.monotonic() + CARE_SECONDS
        self.standing.succeeded(self.patience.health, False, restarts=self.restarts)
        if self.patience.health is RemoteHealth.OK:
            self.listener.look()
        if self.patience.health is not RemoteHealth.PAUSED:
            return False
        before, self.known_key = self.known_key, self.key()
        return before != self.known_key

    def note_success(self, said: SendRound, wanted: int) -> None:
        """Count the acknowledged records; wake those who wait once nothing is left to send."""
        self.sent += said.records
        if said.items:
            if self.patience.failures:
                log.warning("%s is back", self.remote)
            self.patience.succeeded()
        self.standing.succeeded(self.patience.health, said.items > 0, restarts=self.restarts)
        if self.standing.standing.backlog:
            self.standing.waiting(self.sender.pending())
        if said.items == 0:
            self.hurried = wanted

    def pace(self, said: SendRound) -> float:
        """Return the seconds to rest after a round.

        Until the next poll if nothing was sent; else a second, unless more records wait in bulk, or as long as the server asks for.
        """
        waiting = bool(self.sender.open_routes())
        if not said.items or (waiting and not said.records):
            return LOOK_SECONDS
        return max(0.0 if waiting else PACE_SECONDS, said.next_after_ms / 1000)

    def back_off(self, error: Exception) -> float:
        """Return the seconds to wait after a failure. Log the failure once, and note it for `tasuki doctor`."""
        if not self.patience.failures:
            log.warning("records for %s stay here for now: %s", self.remote, error)
        seconds = self.patience.failed(error)
        self.standing.failed(self.patience.health, str(error), self.patience.failures, secret=self.known_key)
        self.standing.waiting(self.sender.pending())
        return seconds
