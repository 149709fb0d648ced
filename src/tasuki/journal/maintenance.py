"""The background thread of a process that writes: syncs to the disk every second, rolls and seals files, sends heartbeats."""

import logging
import threading
from collections.abc import Callable

from tasuki.clock import SYSTEM, Clock
from tasuki.journal.appender import APPENDERS

__all__ = ["MaintenanceThread"]

TICK_SECONDS = 1.0
log = logging.getLogger("tasuki.journal")


class MaintenanceThread:
    """One thread per process. `beat` is called about every `beat_seconds` to append heartbeats, `watch` every second."""

    def __init__(
        self,
        beat: Callable[[], None],
        watch: Callable[[], None] = lambda: None,
        *,
        beat_seconds: float = 30.0,
        clock: Clock = SYSTEM,
    ) -> None:
        self.beat = beat
        self.watch = watch
        self.beat_seconds = beat_seconds
        self.clock = clock
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self.thread is None or not self.thread.is_alive():
            self.stopping = threading.Event()  # a new one: a thread that `stop` did not wait for still sees its own
            self.thread = threading.Thread(target=self.run, args=(self.stopping,), name="tasuki-pulse", daemon=True)
            self.thread.start()

    def stop(self) -> None:
        """Stop the thread after its current round."""
        self.stopping.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(timeout=TICK_SECONDS)
        self.thread = None

    def forked(self) -> None:
        """In a forked child there is no thread."""
        self.stopping = threading.Event()
        self.thread = None

    def run(self, stopping: threading.Event) -> None:
        """Do the thread's rounds until `stopping` is set."""
        next_beat = self.clock.monotonic() + self.beat_seconds
        while not stopping.wait(TICK_SECONDS):
            try:
                for appender in list(APPENDERS):
                    appender.tend()
                self.watch()
                if self.clock.monotonic() >= next_beat:
                    next_beat += self.beat_seconds
                    self.beat()
            except Exception:
                log.exception("the background thread goes on after an error")
