"""A loop whose progress is on record, and, on a terminal, in sight."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TextIO, TypeVar

from tasuki.clock import SYSTEM, Clock

__all__ = ["ProgressLoop"]

T = TypeVar("T")
RECORD_SECONDS = 2.0
DRAW_SECONDS = 0.2
SMOOTHING = 0.3
WIDTH = 24
Note = Callable[[int, int | None, float | None], None]


class ProgressLoop(Generic[T]):
    """Hands the rounds of an iterable on. `note(done, total, rate)` is told how far it has come, every two seconds and at the end;
    `busy(True)` when it begins and `busy(False)` when it ends.
    """

    def __init__(
        self,
        rounds: Iterable[T],
        note: Note,
        *,
        busy: Callable[[bool], None] = lambda _: None,
        total: int | None = None,
        screen: TextIO | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.rounds = rounds
        self.note = note
        self.busy = busy
        self.total = length_of(rounds) if total is None else total
        self.screen = screen if screen is not None else terminal()
        self.clock = clock
        self.done = 0
        self.rate: float | None = None

    def __len__(self) -> int:
        if self.total is None:
            raise TypeError("how long the loop is, is not known")
        return self.total

    def __iter__(self) -> Iterator[T]:
        now = self.clock.monotonic
        self.counted, self.counted_at = self.done, now()
        record_at, draw_at = self.counted_at + RECORD_SECONDS, self.counted_at + DRAW_SECONDS
        self.busy(True)
        try:
            for one in self.rounds:
                yield one
                self.done += 1
                at = now()
                if at >= draw_at:
                    draw_at = at + DRAW_SECONDS
                    self.measure(at)
                    self.draw()
                if at >= record_at:
                    record_at = at + RECORD_SECONDS
                    self.note(self.done, self.total, self.rate)
        finally:
            self.busy(False)
            self.measure(now())
            self.note(self.done, self.total, self.rate)
            self.draw(end="\n")

    def measure(self, at: float) -> None:
        """How many rounds a second, of late."""
        seconds = at - self.counted_at
        if seconds > 0 and self.done > self.counted:
            rate = (self.done - self.counted) / seconds
            self.rate = rate if self.rate is None else SMOOTHING * rate + (1 - SMOOTHING) * self.rate
            self.counted, self.counted_at = self.done, at

    def draw(self, end: str = "") -> None:
        """The line on the terminal, if there is one."""
        if self.screen is not None:
            self.screen.write(f"\r{self.line()}\x1b[K{end}")
            self.screen.flush()

    def line(self) -> str:
        """How far it has come, how fast it goes, how long it will take."""
        rate = f"{self.rate:.3g}/s" if self.rate is not None else ""
        if not self.total:
            return f"{self.done} {rate}".rstrip()
        share = min(self.done / self.total, 1.0)
        bar = "█" * int(share * WIDTH)
        left = f"{span((self.total - self.done) / self.rate)} left" if self.rate and self.done < self.total else ""
        return f"{share:4.0%} {bar:░<{WIDTH}} {self.done}/{self.total} {rate} {left}".rstrip()


def span(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def length_of(rounds: Iterable[T]) -> int | None:
    """How many rounds there are, if that is known."""
    try:
        return len(rounds)  # type: ignore[arg-type] # it may have a length
    except TypeError:
        return None


def terminal() -> TextIO | None:
    """Where people look, if anybody does."""
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
