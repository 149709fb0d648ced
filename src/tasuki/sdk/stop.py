"""Whether a run should stop: because a watcher said so, or because somebody outside asked for it."""

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tasuki.clock import SYSTEM, Clock
from tasuki.records import Control

__all__ = ["Stop", "StopSignal"]

LOOK_SECONDS = 1.0
log = logging.getLogger("tasuki.sdk")
decode = msgspec.json.Decoder(Control).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """The answer of `should_stop()`: true if the run should stop. `source`: watcher or control; `reason`: an `AlertReason`, or the
    text of who asked; `metric` and `step` of what a watcher saw.
    """

    source: str | None = None
    reason: str | None = None
    metric: str | None = None
    step: int | None = None

    def __bool__(self) -> bool:
        return self.source is not None


GO_ON = Stop()


class StopSignal:
    """The first request to stop an attempt stands. The control file is looked at once a second at most, when asked."""

    def __init__(self, path: Path, *, clock: Clock = SYSTEM) -> None:
        self.path = path
        self.clock = clock
        self.stop = GO_ON
        self.look_at = 0.0

    def set(self, stop: Stop) -> None:
        """Ask for it."""
        if not self.stop:
            self.stop = stop

    def ask(self) -> Stop:
        """Whether it was asked for."""
        if not self.stop:
            now = self.clock.monotonic()
            if now >= self.look_at:
                self.look_at = now + LOOK_SECONDS
                self.look()
        return self.stop

    def look(self) -> None:
        """See whether somebody outside has asked for it."""
        try:
            control = decode(self.path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            log.warning("the request in %s can't be read: %s", self.path, error)
            return
        self.set(Stop(source="control", reason=control.stop))
