"""Failpoints: fail on purpose, `TASUKI_FAILPOINTS="relay.after_reply=kill:3,relay.round=raise"`.

Each entry is `point=action[:n]`: the n-th time (else the first) that the point is reached, the process is killed (`kill`), exits
with 70 (`exit`), hangs for good (`hang`), or an exception is raised there (`raise`, `oserror`; `end` ends the thread). Unset, a
point costs a look at an empty dict.
"""

import os
import signal
from collections.abc import Callable

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.settings import failpoints

__all__ = ["FAILPOINTS", "Failpoint", "hit_failpoint", "parse_failpoints", "wrap_with_failpoints"]

ACTIONS = ("kill", "exit", "hang", "raise", "oserror", "end")
EXIT_CODE = 70


class Failpoint:
    """Action at one failpoint, and after how many hits."""

    def __init__(self, action: str, remaining_hits: int) -> None:
        self.action = action
        self.remaining_hits = remaining_hits

    def hit(self, name: str) -> None:
        """One time more."""
        self.remaining_hits -= 1
        if self.remaining_hits == 0:
            self.fail(name)

    def fail(self, name: str) -> None:
        """Do it."""
        match self.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(EXIT_CODE)
            case "hang":
                while True:
                    SYSTEM_CLOCK.sleep(1)
            case "oserror":
                raise OSError(f"failpoint {name}")
            case "end":
                raise SystemExit
            case _:
                raise RuntimeError(f"failpoint {name}")


def parse_failpoints(text: str) -> dict[str, Failpoint]:
    """The failpoints that a text names. ConfigError for what is none."""
    points = {}
    for entry in filter(None, text.replace(" ", "").split(",")):
        name, _, rest = entry.partition("=")
        action, _, count = rest.partition(":")
        if not name or action not in ACTIONS or not (count or "1").isdigit():
            raise ConfigError(f"TASUKI_FAILPOINTS: {entry!r}", hint=f"point=action:n, action one of {', '.join(ACTIONS)}")
        points[name] = Failpoint(action, int(count or "1"))
    return points


FAILPOINTS = parse_failpoints(failpoints())


def hit_failpoint(name: str) -> None:
    """The process is at this point."""
    if FAILPOINTS and (point := FAILPOINTS.get(name)):
        point.hit(name)


def wrap_with_failpoints(before: str, call: Callable[[bytes], int | None], after: str) -> Callable[[bytes], int | None]:
    """Wrap a call in failpoints before and after it; without failpoints, return the call itself."""
    if not FAILPOINTS:
        return call

    def call_with_failpoints(data: bytes) -> int | None:
        hit_failpoint(before)
        done = call(data)
        hit_failpoint(after)
        return done

    return call_with_failpoints
