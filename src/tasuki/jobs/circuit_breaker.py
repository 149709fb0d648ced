"""Circuit breaker of a provider: pause when it asks for that, open after repeated failures."""

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import NotFound, RateLimited, RemoteRejected, RemoteUnavailable

__all__ = ["FAILURE_THRESHOLD", "MAX_OPEN_SECONDS", "OPEN_SECONDS", "CircuitBreaker"]

FAILURE_THRESHOLD = 5
OPEN_SECONDS = 60.0
MAX_OPEN_SECONDS = 600.0
DEFAULT_PAUSE_SECONDS = 30.0
"""Where it does not say for how long."""


class CircuitBreaker:
    """Circuit breaker of one provider.

    Five failures in a row open it; then one call at a time is tried, less and less often, until one is answered.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.failure_count = 0
        self.paused_until = 0.0
        self.open_until = 0.0
        self.open_seconds = 0.0
        self.is_probing = False
        self.detail = ""

    @property
    def is_degraded(self) -> bool:
        """Return whether the provider failed repeatedly and has not answered since."""
        return self.open_seconds > 0

    @property
    def wait_seconds(self) -> float:
        """Return the seconds until the next call is allowed."""
        return max(0.0, self.paused_until - self.clock.monotonic(), self.open_until - self.clock.monotonic())

    def begin_call(self) -> None:
        """Begin a call. Raise RemoteUnavailable (or RateLimited) if it has to wait."""
        now = self.clock.monotonic()
        if now < self.paused_until:
            raise RateLimited("it has asked us to wait", retry_after_seconds=self.paused_until - now)
        if now < self.open_until or self.is_probing:
            raise RemoteUnavailable(f"it does not answer: {self.detail}", retry_after_seconds=self.wait_seconds)
        self.is_probing = self.is_degraded

    def allow_probe(self) -> None:
        """Allow the next call as a trial, after any failures. A pause that the provider asked for stays."""
        self.open_until = 0.0

    def end_call(self, error: Exception | None) -> None:
        """End a call: with an answer (a refusal is one, too), or without."""
        self.is_probing = False
        if isinstance(error, RateLimited):
            pause = DEFAULT_PAUSE_SECONDS if error.retry_after_seconds is None else error.retry_after_seconds
            self.paused_until = self.clock.monotonic() + pause
        elif isinstance(error, RemoteUnavailable):
            self.record_failure(error.message)
        elif error is None or isinstance(error, (RemoteRejected, NotFound)):
            self.failure_count, self.open_seconds, self.open_until = 0, 0.0, 0.0

    def record_failure(self, detail: str) -> None:
        """Count a failure."""
        self.detail = detail
        self.failure_count += 1
        if self.is_degraded:
            self.open_seconds = min(2 * self.open_seconds, MAX_OPEN_SECONDS)
        elif self.failure_count >= FAILURE_THRESHOLD:
            self.open_seconds = OPEN_SECONDS
        self.open_until = self.clock.monotonic() + self.open_seconds if self.is_degraded else 0.0
