"""Worker of one target: queue its alerts, limit the rate, retry failures."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tasuki.alert_targets import AlertTarget
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteError, RequestRejected
from tasuki.notify.delivery_log import DeliveryLog
from tasuki.notify.message import Message, build_alert_message, build_summary_message
from tasuki.notify.senders import SendMessage
from tasuki.records import AlertRow
from tasuki.relay import Backoff

__all__ = ["RateLimit", "TargetWorker"]

MAX_QUEUED_ALERTS = 10_000
log = logging.getLogger("tasuki.notify")


class RateLimit:
    """At most `count` messages in any `seconds`."""

    def __init__(self, messages: int = 10, seconds: float = 60.0, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.seconds = seconds
        self.clock = clock
        self.sent_times: deque[float] = deque(maxlen=messages)

    def compute_wait(self) -> float:
        """Return the seconds until the next message is allowed."""
        if len(self.sent_times) < (self.sent_times.maxlen or 0):
            return 0.0
        return max(0.0, self.sent_times[0] + self.seconds - self.clock.monotonic())

    def record_sent(self) -> None:
        """Count a sent message."""
        self.sent_times.append(self.clock.monotonic())


class TargetWorker:
    """Sends alerts one by one, and those that overflow the queue together.

    Each stays until it is delivered.
    """

    def __init__(
        self,
        target: AlertTarget,
        delivery_log: DeliveryLog,
        send_message: SendMessage,
        *,
        link: str | None = None,
        rate_limit: RateLimit | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.target = target
        self.delivery_log = delivery_log
        self.send_message = send_message
        self.link = link
        self.rate_limit = rate_limit or RateLimit(clock=clock)
        self.clock = clock
        self.backoff = Backoff()
        self.queued_alerts: deque[AlertRow] = deque()
        self.queued_ids: set[str] = set()
        self.is_behind = False
        """There was more than can be kept: the store has it."""
        self.is_rate_limited = False
        self.can_combine = True
        self.retry_at = 0.0
        self.lock = threading.Lock()
        self.wake_event = threading.Event()

    def enqueue_new(self, rows: Sequence[AlertRow], *, is_complete: bool) -> None:
        """Queue new alerts, in order: some of the newest, or all."""
        with self.lock:
            if not is_complete and (self.is_behind or self.delivery_log.is_new):
                return
            if self.delivery_log.is_new:
                self.delivery_log.initialize(rows)
            self.is_behind = False
            passed = [row for row in rows if not self.enqueue_if_new(row)]
            kept = {get_writer(row) for row in self.queued_alerts}
            if not self.is_behind and (passed := [row for row in passed if get_writer(row) not in kept]):
                self.delivery_log.record(passed)
        self.wake_event.set()

    def enqueue_if_new(self, row: AlertRow) -> bool:
        """Queue an alert if it is new. Return False if it is not for this target."""
        if row.id in self.queued_ids or row in self.delivery_log:
            return True
        if not self.target.matches(row.project, row.level):
            return False
        self.is_behind = self.is_behind or len(self.queued_alerts) >= MAX_QUEUED_ALERTS
        if not self.is_behind:
            self.queued_alerts.append(row)
            self.queued_ids.add(row.id)
        return True

    def needs_all_alerts(self) -> bool:
        """Return whether the queue is empty and alerts exist that did not fit into it."""
        return self.is_behind and not self.queued_alerts

    def deliver_next(self) -> float | None:
        """Send the next message if it is due.

        Return the seconds until the next action; None if none is pending.
        """
        with self.lock:
            if not self.queued_alerts:
                return None
            left = self.retry_at - self.clock.monotonic()
            if left > 0:
                return left
            if (room_in := self.rate_limit.compute_wait()) > 0:
                self.is_rate_limited = True
                return room_in
            rows = list(self.queued_alerts) if self.is_rate_limited and self.can_combine else [self.queued_alerts[0]]
        self.send_alerts(rows)
        return 0.0

    def send_alerts(self, rows: list[AlertRow]) -> None:
        """Send one message for the first `rows` of the queue."""
        try:
            self.send_message(self.build_message(rows))
        except RequestRejected as error:
            if len(rows) > 1:
                self.can_combine = False
                log.warning("%s takes no message about several alerts, so they are told one by one: %s", self.target.name, error)
                return
            log.warning("%s refused alert %s and is not told it again: %s", self.target.name, rows[0].id, error)
        except RemoteError as error:
            seconds = self.backoff.record_failure(error)
            self.retry_at = self.clock.monotonic() + seconds
            if self.backoff.failures == 1:
                log.warning("alerts wait for %s: %s", self.target.name, error)
            return
        if self.backoff.failures:
            log.warning("alerts are delivered to %s again", self.target.name)
        self.backoff.record_success()
        self.rate_limit.record_sent()
        with self.lock:
            self.is_rate_limited = False
            for row in rows:
                self.queued_alerts.popleft()
                self.queued_ids.discard(row.id)
            self.delivery_log.record(rows)

    def build_message(self, rows: list[AlertRow]) -> Message:
        """Build the message of one alert, or of several together."""
        return build_alert_message(rows[0], self.link) if len(rows) == 1 else build_summary_message(rows, self.link)

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Deliver until stopped: the body of the worker's thread."""
        while not should_stop():
            try:
                seconds = self.deliver_next()
            except Exception:  # the top of the thread: said, and tried again
                log.error("delivering to %s failed", self.target.name, exc_info=True)
                seconds = self.backoff.record_failure(RuntimeError())
            self.wake_event.wait(seconds)
            self.wake_event.clear()


def get_writer(row: AlertRow) -> str:
    """Return the writer of an alert."""
    return row.id.partition(":")[0]
