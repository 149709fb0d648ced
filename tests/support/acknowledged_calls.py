"""Calls of `log()` that are acknowledged once they have returned, and the oracle: each is in the store, once, exactly."""

import json
import math
import os
import random
import struct
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from tasuki.sdk import Run
from tasuki.store import LocalStore

__all__ = ["PROJECT", "Acknowledging", "Call", "acknowledged", "check", "log_many", "say"]

PROJECT = "chaos"
ODD = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, float(2**53), 0.1]


class Call(NamedTuple):
    """One call of `log()` that has returned: by whom, the value's hex, the step, and the time before and after it."""

    run: str
    who: str
    n: int
    value: str
    step: int
    before: int
    after: int


# -- in the child


class Acknowledging:
    """Logs numbered calls with odd values and steps; each is said once it has returned."""

    def __init__(self, run: Run, who: str) -> None:
        self.run = run
        self.who = who
        self.n = 0
        self.random = random.Random(f"{run.id} {who}")

    def log(self) -> None:
        """One call."""
        self.n += 1
        value, step = self.value(), self.random.choice([self.n, self.random.randrange(-(2**63), 2**63)])
        before = time.time_ns() // 1000
        self.run.log({f"n/{self.who}": self.n, f"x/{self.who}": value}, step)
        after = time.time_ns() // 1000
        say("ack", *Call(self.run.id, self.who, self.n, value.hex(), step, before, after))

    def value(self) -> float:
        """Anything that a float can be; half of them fit into 32 bits."""
        if self.random.random() < 0.1:
            return self.random.choice(ODD)
        if self.random.random() < 0.5:
            return struct.unpack("<f", struct.pack("<f", self.random.gauss(0, 1)))[0]  # type: ignore[no-any-return]
        return struct.unpack("<d", self.random.randbytes(8))[0]  # type: ignore[no-any-return]


def say(*words: object) -> None:
    """One line, in one write."""
    os.write(1, f"{words[0]} {json.dumps(words[1:])}\n".encode())


def log_many(run: Run, who: str, count: int) -> None:
    """So many calls, one after the other."""
    calls = Acknowledging(run, who)
    for _ in range(count):
        calls.log()


# -- in the test


def acknowledged(lines: Iterable[str]) -> list[Call]:
    """The calls that were said to have returned."""
    return [Call(*json.loads(line[4:])) for line in lines if line.startswith("ack ")]


def check(store: LocalStore, calls: list[Call], *, project: str = PROJECT) -> dict[tuple[str, str], set[int]]:
    """Assert that each call is in the store, once, exactly. Returns what else is there: the numbers, by run and who."""
    by_run: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_run[call.run].append(call)
    extra: dict[tuple[str, str], set[int]] = {}
    for run in {row.id for row in store.runs(project)} if calls or store.projects() else ():
        extra |= check_run(store, project, run, by_run.pop(run, []))
    assert not by_run, f"runs that are not in the store: {sorted(by_run)}"
    return extra


def check_run(store: LocalStore, project: str, run: str, calls: list[Call]) -> dict[tuple[str, str], set[int]]:
    """`check` of one run."""
    found: dict[tuple[str, int], tuple[str, int, int]] = {}
    for row in store.history(project, run):
        (who,) = {name.partition("/")[2] for name in row.metrics}
        key = who, int(row.metrics[f"n/{who}"])
        assert key not in found, f"{run}: {key} is there twice"
        found[key] = row.metrics[f"x/{who}"].hex(), row.step, row.time
    for call in calls:
        assert (call.who, call.n) in found, f"{call} is not there"
        value, step, logged = found.pop((call.who, call.n))
        assert (value, step) == (call.value, call.step)
        assert call.before <= logged <= call.after
    extra: dict[tuple[str, str], set[int]] = defaultdict(set)
    for who, n in found:
        extra[run, who].add(n)
    return extra
