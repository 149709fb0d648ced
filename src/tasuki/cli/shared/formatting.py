"""Values as text: short for people, exact for programs."""

import json
import math
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["format_cell", "format_iso", "format_tsv_cell", "replace_control_characters", "to_json_data", "truncate"]

MAX_CELL_WIDTH = 40
DAY_SECONDS = 86_400
BIDI_CONTROL_CLASSES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Bidirectional classes of characters that reorder what stands after them."""
TSV_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


# -- for people


def format_cell(value: Any, now: datetime, *, untruncated: bool = False) -> str:
    """Format a table's cell.

    4 significant digits, relative times, at most 40 characters unless untruncated.
    """
    fit = replace_control_characters if untruncated else truncate
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return format_number(value)
        case datetime():
            return format_time(value, now)
        case timedelta():
            return format_duration(value)
        case list():
            return fit(", ".join(map(str, value)))
        case dict():
            return fit(json.dumps(to_json_data(value), ensure_ascii=False))
    return fit(str(value))


def format_number(value: float) -> str:
    """4 significant digits; whole numbers as they are."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value.is_integer() and abs(value) < 1_000_000:
        return f"{value:,.0f}"
    return f"{value:#.4g}".rstrip(".")


def format_time(value: datetime, now: datetime) -> str:
    """Format a time: relative within a day, else local date and time."""
    seconds = (now - value).total_seconds()
    if not 0 <= seconds < DAY_SECONDS:
        return value.astimezone().isoformat(sep=" ", timespec="minutes")
    if seconds < 1:
        return "now"
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name} ago"
    return f"{seconds // 1:.0f} s ago"


def format_duration(value: timedelta) -> str:
    """The two largest units."""
    seconds = value.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h"


def truncate(text: str) -> str:
    """Truncate to the width of 40 letters with an ellipsis.

    Replace characters that move the cursor or join.
    """
    text = "".join(character for character in replace_control_characters(text) if not is_zero_width(character))
    if len(text) <= MAX_CELL_WIDTH and text.isascii():
        return text
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= MAX_CELL_WIDTH else f"{set_cell_size(text, MAX_CELL_WIDTH - 1).rstrip(' ')}…"


def replace_control_characters(text: str) -> str:
    """The text without characters that steer a terminal: a run's name may hold anything."""
    return "".join("�" if is_control_character(character) else character for character in text)


def is_control_character(character: str) -> bool:
    """Return whether a character acts on a terminal instead of being shown."""
    return unicodedata.category(character) == "Cc" or unicodedata.bidirectional(character) in BIDI_CONTROL_CLASSES


def is_zero_width(character: str) -> bool:
    """Return whether a character has no width of its own; terminals disagree on its effect."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f" or "\U0001f3fb" <= character <= "\U0001f3ff"


# -- for programs


def to_json_data(value: Any) -> Any:
    """Convert a value for JSON: NaN and infinities become strings, times ISO, durations seconds.

    Durations seconds.
    """
    match value:
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case datetime():
            return format_iso(value)
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case dict():
            return {str(key): to_json_data(inner) for key, inner in value.items()}
        case list() | tuple():
            return [to_json_data(inner) for inner in value]
    return value


def format_tsv_cell(value: Any) -> str:
    """Format a TSV cell: full precision, empty for None, control characters escaped."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | dict():
            return escape_tsv(json.dumps(to_json_data(value), ensure_ascii=False))
        case float():
            return str(to_json_data(value))
    return escape_tsv(str(to_json_data(value)))


def escape_tsv(text: str) -> str:
    """Backslash escapes for the backslash and for control characters."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        TSV_ESCAPES.get(character, f"\\x{ord(character):02x}" if unicodedata.category(character) == "Cc" else character)
        for character in text
    )


def format_iso(value: datetime) -> str:
    """ISO 8601, UTC, microseconds."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
