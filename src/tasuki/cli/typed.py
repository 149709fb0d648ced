"""What people type: durations."""

import re
from datetime import timedelta

from tasuki.errors import ConfigError

__all__ = ["parse_duration"]

UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """A duration like 90s, 10min, 1h30m or 2d; a bare number is seconds. ConfigError for anything else."""
    seconds, end = 0.0, 0
    while end < len(text) and (part := PART.match(text, end)) and (part[2].lower() or "s") in UNITS:
        seconds += float(part[1]) * UNITS[part[2].lower() or "s"]
        end = part.end()
    if not text.strip() or text[end:].strip() or seconds > LONGEST.total_seconds():
        raise ConfigError(f"{text!r} is no duration", hint="90s, 10min, 1h30m, 2d")
    return timedelta(seconds=seconds)
