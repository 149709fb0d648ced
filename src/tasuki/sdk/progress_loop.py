"""A loop whose progress is on record, and, on a terminal, in sight."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TextIO, TypeVar

from tasuki.clock import SYSTEM_CLOCK, Clock

__all__ = ["ProgressLoop"]

T = TypeVar("T")
RECORD_INTERVAL_SECONDS = 2.0
DRAW_INTERVAL_SECONDS = 0.2
RATE_SMOOTHING = 0.3
BAR_WIDTH = 24
ProgressCallback = Callable[[int, int | None, float | None], None]


class ProgressLoop(Generic[T]):
    """Yields the items of an iterable and reports progress.

    `on_progress(done, total, rate)` is called every two seconds and at the end; `on_active(True)` at the start and
    `on_active(False)` at the end.
    """

    def __init__(
        self,
        iterable: Iterable[T],
        on_progress: ProgressCallback,
        *,
        on_active: Callable[[bool], None] = lambda _: None,
        total: int | None = None,
        output: TextIO | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.iterable = iterable
        self.on_progress = on_progress
        self.on_active = on_active
        self.total = get_length(iterable) if total is None else total
        self.output = output if output is not None else find_terminal()
        self.clock = clock
        self.done = 0
        self.rate: float | None = None

    def __len__(self) -> int:
        if self.total is None:
            raise TypeError("how long the loop is, is not known")
        return self.total

    def __iter__(self) -> Iterator[T]:
        now = self.clock.monotonic
        self.measured_count, self.measured_at = self.done, now()
        record_at, draw_at = self.measured_at + RECORD_INTERVAL_SECONDS, self.measured_at + DRAW_INTERVAL_SECONDS
        self.on_active(True)
        try:
            for one in self.iterable:
                yield one
                self.done += 1
                at = now()
                if at >= draw_at:
                    draw_at = at + DRAW_INTERVAL_SECONDS
                    self.update_rate(at)
                    self.draw()
                if at >= record_at:
                    record_at = at + RECORD_INTERVAL_SECONDS
                    self.on_progress(self.done, self.total, self.rate)
        finally:
            self.on_active(False)
            self.update_rate(now())
            self.on_progress(self.done, self.total, self.rate)
            self.draw(end="\n")

    def update_rate(self, now: float) -> None:
        """Update the recent rate in rounds per second."""
        seconds = now - self.measured_at
        if seconds > 0 and self.done > self.measured_count:
            rate = (self.done - self.measured_count) / seconds
            self.rate = rate if self.rate is None else RATE_SMOOTHING * rate + (1 - RATE_SMOOTHING) * self.rate
            self.measured_count, self.measured_at = self.done, now

    def draw(self, end: str = "") -> None:
        """The line on the terminal, if there is one."""
        if self.output is not None:
            self.output.write(f"\r{self.format_line()}\x1b[K{end}")
            self.output.flush()

    def format_line(self) -> str:
        """Format progress, rate, and remaining time."""
        rate = f"{self.rate:.3g}/s" if self.rate is not None else ""
        if not self.total:
            return f"{self.done} {rate}".rstrip()
        share = min(self.done / self.total, 1.0)
        bar = "█" * int(share * BAR_WIDTH)
        left = f"{format_duration((self.total - self.done) / self.rate)} left" if self.rate and self.done < self.total else ""
        return f"{share:4.0%} {bar:░<{BAR_WIDTH}} {self.done}/{self.total} {rate} {left}".rstrip()


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def get_length(iterable: Iterable[T]) -> int | None:
    """Return the length of an iterable, if it is known."""
    try:
        return len(iterable)  # type: ignore[arg-type] # it may have a length
    except TypeError:
        return None


def find_terminal() -> TextIO | None:
    """Return the terminal, if there is one."""
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
