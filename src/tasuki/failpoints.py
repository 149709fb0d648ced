"""Places where a process can be made to fail on purpose: `TASUKI_FAILPOINTS="relay.after_reply=kill:3,relay.round=raise"`.

Each entry is `point=action[:n]`: the n-th time (else the first) that the point is reached, the process is killed (`kill`), exits
with 70 (`exit`), hangs for good (`hang`), or an exception is raised there (`raise`, `oserror`; `end` ends the thread). Unset, a
point costs a look at an empty dict.
"""

import os
import signal
from collections.abc import Callable

from tasuki.clock import SYSTEM
from tasuki.errors import ConfigError
from tasuki.settings import failpoints

__all__ = ["POINTS", "Failpoint", "between", "parse_failpoints", "reach"]

ACTIONS = ("kill", "exit", "hang", "raise", "oserror", "end")
EXIT_CODE = 70


class Failpoint:
    """What is to happen at one point, and after how many times."""

    def __init__(self, action: str, left: int) -> None:
        self.action = action
        self.left = left

    def reached(self, name: str) -> None:
        """One time more."""
        self.left -= 1
        if self.left == 0:
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
                    SYSTEM.sleep(1)
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


POINTS = parse_failpoints(failpoints())


def reach(name: str) -> None:
    """The process is at this point."""
    if POINTS and (point := POINTS.get(name)):
        point.reached(name)


def between(before: str, call: Callable[[bytes], int | None], after: str) -> Callable[[bytes], int | None]:
    """The call with a point before and one after it. Where no points are set it is the call itself, and costs nothing."""
    if not POINTS:
        return call

    def reaching(data: bytes) -> int | None:
        reach(before)
        done = call(data)
        reach(after)
        return done

    return reaching
