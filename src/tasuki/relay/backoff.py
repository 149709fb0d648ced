"""Backoff between requests to a remote, and the remote's health."""

import random
from collections.abc import Callable

from tasuki.errors import RemoteMisconfigured, RemoteUnavailable
from tasuki.relay.state.remote_status import RemoteHealth

__all__ = ["Backoff"]

FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 60.0
PROBE_SECONDS = 60.0


class Backoff:
    """Failures since the last success. `chance` draws from a range, for the jitter."""

    def __init__(self, draw_uniform: Callable[[float, float], float] = random.uniform) -> None:
        self.draw_uniform = draw_uniform
        self.health = RemoteHealth.OK
        self.failures = 0
        self.has_retry_after = False
        """The remote has said how long to wait: that holds for those in a hurry too."""

    def record_success(self) -> None:
        """Reset after a success."""
        self.health, self.failures, self.has_retry_after = RemoteHealth.OK, 0, False

    def record_failure(self, error: Exception) -> float:
        """Return the seconds to wait.

        Retry-After if given, else full-jitter backoff, 1 to 60 s, without a retry limit.
        """
        self.failures += 1
        self.has_retry_after = False
        if isinstance(error, RemoteMisconfigured):
            self.health = RemoteHealth.PAUSED
            return PROBE_SECONDS
        self.health = RemoteHealth.BACKING_OFF
        if isinstance(error, RemoteUnavailable) and error.retry_after_seconds is not None:
            self.has_retry_after = True
            return error.retry_after_seconds
        return self.draw_uniform(0, min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self.failures - 1, 10)))
