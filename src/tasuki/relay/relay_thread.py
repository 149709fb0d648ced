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

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteError
from tasuki.failpoints import hit_failpoint
from tasuki.relay.backoff import Backoff
from tasuki.relay.http_transport import HttpTransport
from tasuki.relay.process_source import ProcessSource
from tasuki.relay.sender import Sender, SendRound
from tasuki.relay.state.remote_state import RemoteState
from tasuki.relay.state.remote_status import RemoteHealth
from tasuki.relay.stop_listener import StopListener
from tasuki.remotes import TokenSource

__all__ = ["RelayThread", "SendCounts"]

POLL_SECONDS = 0.04
SEND_INTERVAL_SECONDS = 1.0
COUNT_BYTES_PER_SECOND = 20e6
CHECK_INTERVAL_SECONDS = 1.0
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
        remote_state: RemoteState,
        *,
        listener: StopListener,
        key: TokenSource,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.source = source
        self.remote = source.remote
        self.transport = transport
        self.status_file = remote_state.status_file
        self.sender = Sender(source, transport, remote_state.acks, remote_state.dead_letters, clock=clock)
        self.listener = listener
        self.key = key
        self.last_key = key()
        self.clock = clock
        self.backoff = Backoff()
        self.next_check_at = 0.0
        self.restarts = 0
        self.thread: threading.Thread | None = None
        self.is_stopping = False
        self.wake_queue: SimpleQueue[None] = SimpleQueue()  # unlike an Event, it may be rung in a signal handler
        self.requested_flushes = 0
        self.completed_flushes = 0
        self.sent_records = 0
        self.reported_records = 0

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self.thread is None or not self.thread.is_alive():
            self.is_stopping = False
            self.thread = threading.Thread(target=self.run, name="tasuki-relay", daemon=True)
            self.thread.start()

    def stop(self) -> None:
        """Let the thread end after its current action."""
        self.is_stopping = True
        self.wake_queue.put(None)

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the thread to end, if it was stopped."""
        if self.thread is not None and self.is_stopping:
            self.thread.join(seconds)

    def restart_if_dead(self) -> None:
        """Restart the thread if it has died; the maintenance thread calls this."""
        if self.thread is not None and not self.thread.is_alive() and not self.is_stopping:
            self.restarts += 1
            log.error("the relay to %s has died and is started again", self.remote)
            self.start()

    def drain(self, deadline: float) -> SendCounts:
        """Wait until everything recorded so far is acknowledged, and return the counts.

        It ends at the deadline (of the clock's `monotonic`): as much time as it takes to count what was not is kept for that.
        """
        with closing(self.source.clone_read_only()) as files:
            if not self.wait_until_sent(deadline - self.estimate_count_seconds(files)):
                self.wait_until_sent(deadline - self.estimate_count_seconds(files))  # there may be less to count by now
            pending = self.sender.count_pending(files)
        sent, self.reported_records = self.sent_records - self.reported_records, self.sent_records
        return SendCounts(sent=sent, pending=pending)

    def estimate_count_seconds(self, source: ProcessSource) -> float:
        """Estimate the seconds that counting the unacknowledged records takes."""
        return sum(stream.size - start for stream, start in self.sender.iter_unacknowledged(source)) / COUNT_BYTES_PER_SECOND

    def wait_until_sent(self, deadline: float) -> bool:
        """Wait until everything recorded so far is acknowledged.

        Return False at the deadline (`monotonic` seconds).
        """
        self.source.request_scan()
        self.requested_flushes += 1
        wanted = self.requested_flushes
        self.wake_queue.put(None)
        while self.completed_flushes < wanted and self.clock.monotonic() < deadline and self.thread is not None:
            if self.is_stopping or self.backoff.health is RemoteHealth.PAUSED:
                break
            self.clock.sleep(POLL_SECONDS / 8)
        return self.completed_flushes >= wanted

    def run(self) -> None:
        """Do the thread's rounds, until stopped."""
        while not self.is_stopping:
            wanted = self.requested_flushes
            try:
                hit_failpoint("relay.round")
                said = self.sender.run_round()
                self.record_success(said, wanted)
                self.listener.deliver_commands(said.commands)
                seconds = self.compute_pause(said)
            except RemoteError as error:
                seconds = self.back_off(error)
            except Exception as error:
                log.exception("the relay to %s goes on after an error", self.remote)
                seconds = self.back_off(error)
            self.wait_for_next_round(seconds)
        self.listener.stop()
        self.transport.close()
        self.source.close()

    def wait_for_next_round(self, seconds: float) -> None:
        """Sleep until the time is over or the bell rings; only for one poll while another thread waits.

        A wait that the remote has asked for is kept, whoever rings, until there is a new key.
        """
        until = self.clock.monotonic() + seconds
        while not self.run_periodic_checks() and not self.is_stopping and (left := until - self.clock.monotonic()) > 0:
            keeps_away = self.backoff.has_retry_after or self.backoff.health is RemoteHealth.PAUSED
            hurries = self.completed_flushes != self.requested_flushes and not keeps_away
            try:
                self.wake_queue.get(timeout=min(left, POLL_SECONDS if hurries else CHECK_INTERVAL_SECONDS))
            except Empty:
                if hurries:
                    return
            else:
                if not keeps_away:
                    return

    def run_periodic_checks(self) -> bool:
        """Once a second, read stop commands and check for a new key. Return True if the key changed."""
        if self.clock.monotonic() < self.next_check_at:
            return False
        self.next_check_at = self.clock.monotonic() + CHECK_INTERVAL_SECONDS
        self.status_file.record_success(self.backoff.health, False, restarts=self.restarts)
        if self.backoff.health is RemoteHealth.OK:
            self.listener.poll()
        if self.backoff.health is not RemoteHealth.PAUSED:
            return False
        before, self.last_key = self.last_key, self.key()
        return before != self.last_key

    def record_success(self, send_round: SendRound, flush_number: int) -> None:
        """Count the acknowledged records; wake those who wait once nothing is left to send."""
        self.sent_records += send_round.records
        if send_round.items:
            if self.backoff.failures:
                log.warning("%s is back", self.remote)
            self.backoff.record_success()
        self.status_file.record_success(self.backoff.health, send_round.items > 0, restarts=self.restarts)
        if self.status_file.status.backlog:
            self.status_file.record_pending(self.sender.count_pending())
        if send_round.items == 0:
            self.completed_flushes = flush_number

    def compute_pause(self, send_round: SendRound) -> float:
        """Return the seconds to rest after a round.

        Until the next poll if nothing was sent; else a second, unless more records wait in bulk, or as long as the server asks for.
        """
        waiting = bool(self.sender.list_open_routes())
        if not send_round.items or (waiting and not send_round.records):
            return POLL_SECONDS
        return max(0.0 if waiting else SEND_INTERVAL_SECONDS, send_round.next_after_ms / 1000)

    def back_off(self, error: Exception) -> float:
        """Return the seconds to wait after a failure. Log the failure once, and note it for `tasuki doctor`."""
        if not self.backoff.failures:
            log.warning("records for %s stay here for now: %s", self.remote, error)
        seconds = self.backoff.record_failure(error)
        self.status_file.record_failure(self.backoff.health, str(error), self.backoff.failures, secret=self.last_key)
        self.status_file.record_pending(self.sender.count_pending())
        return seconds
