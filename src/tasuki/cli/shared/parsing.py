"""Parse durations and times as people type them."""

import re
from datetime import datetime, timedelta

from tasuki.clock import us_from_datetime
from tasuki.errors import ConfigError

__all__ = ["parse_duration", "parse_since"]

UNIT_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
MAX_DURATION = timedelta(days=3650)
ALERT_ID = re.compile(r"[0-9a-f]{32}:\d{1,18}")


def parse_duration(text: str) -> timedelta:
    """A duration like 90s, 10min, 1h30m or 2d; a bare number is seconds. ConfigError for anything else."""
    seconds, end = 0.0, 0
    while end < len(text) and (part := DURATION_PART.match(text, end)) and (part[2].lower() or "s") in UNIT_SECONDS:
        seconds += float(part[1]) * UNIT_SECONDS[part[2].lower() or "s"]
        end = part.end()
    if not text.strip() or text[end:].strip() or seconds > MAX_DURATION.total_seconds():
        raise ConfigError(f"{text!r} is no duration", hint="90s, 10min, 1h30m, 2d")
    return timedelta(seconds=seconds)


def parse_since(text: str, now_us: int) -> int | str:
    """Parse an alert's id, or a time (ISO 8601, or how long ago) as microseconds UTC.

    Raise ConfigError if neither.
    """
    if ALERT_ID.fullmatch(text):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now_us - parse_duration(text.removesuffix("ago")) // timedelta(microseconds=1)
        except ConfigError:
            hint = "the id of an alert, a time like 2026-11-24T18:30 (local, or with Z), or how long ago: 10min"
            raise ConfigError(f"{text!r} is no alert and no time", hint=hint) from None
    return us_from_datetime(moment)
