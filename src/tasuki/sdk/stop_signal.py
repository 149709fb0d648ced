"""Stop signal of a run: raised by a watcher or by a request from outside."""

from dataclasses import dataclass
from pathlib import Path

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.journal import read_stop_file
from tasuki.records import StopCommand

__all__ = ["Stop", "StopSignal"]

CHECK_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """The result of `should_stop()`: true if the run should stop.

    `source`: watcher or control. `reason`: an `AlertReason`, or the requester's text. `metric` and `step`: of a watcher's
    finding. `by`: who requested it from outside.
    """

    source: str | None = None
    reason: str | None = None
    metric: str | None = None
    step: int | None = None
    by: str | None = None

    def __bool__(self) -> bool:
        return self.source is not None


NO_STOP = Stop()


class StopSignal:
    """Stop signal of an attempt; its first request counts. The stop file is read at most once a second."""

    def __init__(self, path: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path
        self.clock = clock
        self.stop = NO_STOP
        self.next_check_at = 0.0

    def set(self, stop: Stop) -> None:
        """Ask for it."""
        if not self.stop:
            self.stop = stop

    def check(self) -> Stop:
        """Return the stop request, if any."""
        if not self.stop:
            now = self.clock.monotonic()
            if now >= self.next_check_at:
                self.next_check_at = now + CHECK_INTERVAL_SECONDS
                self.read_stop_file()
        return self.stop

    def read_stop_file(self) -> None:
        """See whether somebody outside has asked for it."""
        control = read_stop_file(self.path)
        if control is not None:
            self.apply_command(control)

    def apply_command(self, command: StopCommand) -> None:
        """Somebody outside asks for it."""
        self.set(Stop(source="control", reason=command.stop or None, by=command.by))
