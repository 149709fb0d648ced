"""How long the tests take: short in `make test`, long in `make soak`."""

import os

__all__ = ["SOAK", "scaled"]

SOAK = os.environ.get("TASUKI_SOAK", "") not in {"", "0"}


def scaled(short: int, long: int) -> int:
    """How many trials there are: `long` in a soak."""
    return long if SOAK else short
