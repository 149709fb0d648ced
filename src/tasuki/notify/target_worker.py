"""Worker of one target: queue its alerts, limit the rate, retry failures."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tasuki.alert_targets import AlertTarget
from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteError, RequestRejected
from tasuki.notify.delivery_log import DeliveryLog
from tasuki.notify.message import Message, message_of_alert, message_of_held
from tasuki.notify.senders import Post
from tasuki.records import AlertRow
from tasuki.relay import Backoff

__all__ = ["RateLimit", "TargetWorker"]

MOST_WAITING = 10_000
log = logging.getLogger("tasuki.notify")


class RateLimit:
    """At most `count` messages in any `seconds`."""

    def __init__(self, messages: int = 10, seconds: float = 60.0, *, clock: Clock = SYSTEM) -> None:
        self.seconds = seconds
        self.clock = clock
        self.sent: deque[float] = deque(maxlen=messages)

    def wait(self) -> float:
        """Return the seconds until the next message is allowed."""
        if len(self.sent) < (self.sent.maxlen or 0):
            return 0.0
        return max(0.0, self.sent[0] + self.seconds - self.clock.monotonic())

    def spend(self) -> None:
        """Count a sent message."""
        self.sent.append(self.clock.monotonic())


class TargetWorker:
    """Sends alerts one by one, and those that overflow the queue together.

    Each stays until it is delivered.
    """

    def __init__(
        self,
        target: AlertTarget,
        delivered: DeliveryLog,
        post: Post,
        *,
        link: str | None = None,
        pace: RateLimit | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.target = target
        self.delivered = delivered
        self.post = post
        self.link = link
        self.pace = pace or RateLimit(clock=clock)
        self.clock = clock
        self.patience = Backoff()
        self.waiting: deque[AlertRow] = deque()
        self.expected: set[str] = set()
        self.is_behind = False
        """There was more than can be kept: the store has it."""
        self.holding = False
        self.takes_many = True
        self.again_at = 0.0
        self.lock = threading.Lock()
        self.news = threading.Event()

    def offer(self, rows: Sequence[AlertRow], *, all_there_are: bool) -> None:
        """Queue new alerts, in order: some of the newest, or all."""
        with self.lock:
            if not all_there_are and (self.is_behind or self.delivered.is_new):
                return
            if self.delivered.is_new:
                self.delivered.begin(rows)
            self.is_behind = False
            passed = [row for row in rows if not self.takes(row)]
            kept = {writer_of(row) for row in self.waiting}
            if not self.is_behind and (passed := [row for row in passed if writer_of(row) not in kept]):
                self.delivered.add(passed)
        self.news.set()

    def takes(self, row: AlertRow) -> bool:
        """Queue an alert if it is new. Return False if it is not for this target."""
        if row.id in self.expected or row in self.delivered:
            return True
        if not self.target.wants(row.project, row.level):
            return False
        self.is_behind = self.is_behind or len(self.waiting) >= MOST_WAITING
        if not self.is_behind:
            self.waiting.append(row)
            self.expected.add(row.id)
        return True

    def wants_all(self) -> bool:
        """Return whether the queue is empty and alerts exist that did not fit into it."""
        return self.is_behind and not self.waiting

    def deliver(self) -> float | None:
        """Send the next message if it is due.

        Return the seconds until the next action; None if none is pending.
        """
        with self.lock:
            if not self.waiting:
                return None
            left = self.again_at - self.clock.monotonic()
            if left > 0:
                return left
            if (room_in := self.pace.wait()) > 0:
                self.holding = True
                return room_in
            rows = list(self.waiting) if self.holding and self.takes_many else [self.waiting[0]]
        self.send(rows)
        return 0.0

    def send(self, rows: list[AlertRow]) -> None:
        """Send one message for the first `rows` of the queue."""
        try:
            self.post(self.message(rows))
        except RequestRejected as error:
            if len(rows) > 1:
                self.takes_many = False
                log.warning("%s takes no message about several alerts, so they are told one by one: %s", self.target.name, error)
                return
            log.warning("%s refused alert %s and is not told it again: %s", self.target.name, rows[0].id, error)
        except RemoteError as error:
            seconds = self.patience.failed(error)
            self.again_at = self.clock.monotonic() + seconds
            if self.patience.failures == 1:
                log.warning("alerts wait for %s: %s", self.target.name, error)
            return
        if self.patience.failures:
            log.warning("alerts are delivered to %s again", self.target.name)
        self.patience.succeeded()
        self.pace.spend()
        with self.lock:
            self.holding = False
            for row in rows:
                self.waiting.popleft()
                self.expected.discard(row.id)
            self.delivered.add(rows)

    def message(self, rows: list[AlertRow]) -> Message:
        """Build the message of one alert, or of several together."""
        return message_of_alert(rows[0], self.link) if len(rows) == 1 else message_of_held(rows, self.link)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Deliver until stopped: the body of the worker's thread."""
        while not stopped():
            try:
                seconds = self.deliver()
            except Exception:  # the top of the thread: said, and tried again
                log.error("delivering to %s failed", self.target.name, exc_info=True)
                seconds = self.patience.failed(RuntimeError())
            self.news.wait(seconds)
            self.news.clear()


def writer_of(row: AlertRow) -> str:
    """Return the writer of an alert."""
    return row.id.partition(":")[0]
