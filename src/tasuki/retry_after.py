"""Parse the HTTP header Retry-After."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from tasuki.clock import datetime_from_us

__all__ = ["parse_retry_after"]

MAX_SECONDS = 900.0
SECONDS_PATTERN = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")


def parse_retry_after(header: str | None, now_us: int, *, max_seconds: float = MAX_SECONDS) -> float | None:
    """Return the seconds that a Retry-After header states, 0 to `max_seconds`, or None.

    Both forms of RFC 9110, section 10.2.3 are read: seconds (with fractions, which some servers send) and a date, which is compared
    with `now_us` (microseconds UTC).
    """
    text = (header or "").strip()
    if SECONDS_PATTERN.fullmatch(text) or (text.isascii() and text.isdigit()):
        seconds = float(text[:20])
    else:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime_from_us(now_us)).total_seconds()
    return min(max(seconds, 0.0), max_seconds)
