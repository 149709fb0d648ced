"""Maintenance thread of a recording process: fsync, roll, and seal journals, and send heartbeats."""

import logging
import threading
from collections.abc import Callable

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.journal.appender import APPENDERS

__all__ = ["MaintenanceThread"]

TICK_SECONDS = 1.0
log = logging.getLogger("tasuki.journal")


class MaintenanceThread:
    """One thread per process.

    Calls `beat` about every `beat_seconds` for heartbeats, `watch` every second.
    """

    def __init__(
        self,
        send_heartbeats: Callable[[], None],
        on_tick: Callable[[], None] = lambda: None,
        *,
        heartbeat_seconds: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.send_heartbeats = send_heartbeats
        self.on_tick = on_tick
        self.heartbeat_seconds = heartbeat_seconds
        self.clock = clock
        self.stop_event = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self.thread is None or not self.thread.is_alive():
            self.stop_event = threading.Event()  # a new one: a thread that `stop` did not wait for still sees its own
            self.thread = threading.Thread(target=self.run, args=(self.stop_event,), name="tasuki-pulse", daemon=True)
            self.thread.start()

    def stop(self) -> None:
        """Stop the thread after its current round."""
        self.stop_event.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(timeout=TICK_SECONDS)
        self.thread = None

    def reset_after_fork(self) -> None:
        """In a forked child there is no thread."""
        self.stop_event = threading.Event()
        self.thread = None

    def run(self, stopping: threading.Event) -> None:
        """Do the thread's rounds until `stopping` is set."""
        next_beat = self.clock.monotonic() + self.heartbeat_seconds
        while not stopping.wait(TICK_SECONDS):
            try:
                for appender in list(APPENDERS):
                    appender.maintain()
                self.on_tick()
                if self.clock.monotonic() >= next_beat:
                    next_beat += self.heartbeat_seconds
                    self.send_heartbeats()
            except Exception:
                log.exception("the background thread goes on after an error")
