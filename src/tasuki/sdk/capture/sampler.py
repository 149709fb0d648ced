"""Sample system metrics in a background thread."""

from pathlib import Path

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.sdk.capture.machine import Machine

__all__ = ["SystemSampler"]


class SystemSampler:
    """Samples of the machine at an interval, for whoever asks once a second."""

    def __init__(self, folder: Path, interval_seconds: float, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.machine = Machine(folder, clock=clock)
        self.interval_seconds = interval_seconds
        self.clock = clock
        self.next_sample_at = clock.monotonic() + interval_seconds

    def sample(self) -> dict[str, float]:
        """A sample if it is time for one."""
        now = self.clock.monotonic()
        if now < self.next_sample_at:
            return {}
        self.next_sample_at = now + self.interval_seconds
        return self.machine.sample()
