"""Map trackio's rows to records: pure functions of rows and lines.

The same row makes the same bytes, always and everywhere: only so a stream that is made anew continues the one that a server has.
A change here makes new streams of old rows; a test holds the bytes of golden ones.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tasuki.importers.trackio import entry_mapping as words
from tasuki.journal import normalize_project_name
from tasuki.records import Alert, AlertLevel, Record, RunStarted, RunStatus, RunUpdated, encode, encode_frame, encode_metrics

__all__ = [
    "build_alert_frame",
    "build_config_frame",
    "build_metrics_frame",
    "build_started_frame",
    "build_status_frame",
    "compute_digest",
    "derive_writer_id",
    "map_project_name",
    "map_run_id",
    "parse_time_us",
]

NON_FINITE_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How trackio writes what JSON can't."""
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DEPTH = 16
FIELD_COUNTS: Mapping[type, int] = {RunStarted: 9, RunUpdated: 8, RunStatus: 5, Alert: 10}
"""With the kind and the time."""
decode_json = msgspec.json.Decoder().decode


# -- who


def compute_digest(*key_parts: object) -> str:
    """Return 32 hex digits that identify the words."""
    return hashlib.sha256(json.dumps(["trackio", 1, *key_parts]).encode()).hexdigest()[:32]


def derive_writer_id(project: str, run: str, *key_parts: object) -> str:
    """Return the writer id of some of a run's rows."""
    return compute_digest(project, run, *key_parts)


def map_project_name(name: str) -> str:
    """Return a project's name as trackio names its files: letters, digits, `-`, and `_` stay."""
    return normalize_project_name("".join(letter for letter in name if letter.isalnum() or letter in "-_") or "default")


def map_run_id(key: str) -> str:
    """Return a run's id, as for a run that trackio's client sends to a server."""
    return words.map_run_id(None, key)


# -- what


def build_pinned_frame(record: Record) -> bytes:
    """Build a frame with the first fields of the record's kind only.

    Fields added later would change the bytes of the same row.
    """
    fields: list[Any] = msgspec.msgpack.decode(encode(record))
    return encode_frame(msgspec.msgpack.encode(fields[: FIELD_COUNTS[type(record)]]))


def parse_time_us(text: object) -> int:
    """Parse a time stamp as microseconds UTC: UTC without a zone, 0 if invalid."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return 0
    return (time.replace(tzinfo=time.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)


def parse_json(text: object) -> Any:
    """Parse stored JSON (text or bytes, in old versions with NaN); None if invalid."""
    if not isinstance(text, (str, bytes)):
        return None
    try:
        return decode_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None


def iter_numbers(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, int | float]]:
    """Yield the numbers in a logged value, by name; skip media, tables, and texts."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            if "_type" not in value and depth < MAX_DEPTH:
                yield from iter_numbers(value, f"{prefix}{name}/", depth + 1)
        elif isinstance(value, float):
            yield f"{prefix}{name}", value
        elif isinstance(value, int):
            yield f"{prefix}{name}", to_storable_number(int(value))
        elif isinstance(value, str) and value in NON_FINITE_NUMBERS:
            yield f"{prefix}{name}", NON_FINITE_NUMBERS[value]


def to_storable_number(value: int) -> int | float:
    """Return an integer, or the nearest float beyond 64 bits."""
    if MIN_INT64 <= value <= MAX_INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def parse_step(step: object, default: int) -> int:
    """Return a step."""
    if isinstance(step, (int, float)) and math.isfinite(step):
        return min(max(int(step), MIN_INT64), MAX_INT64)
    return default


def build_metrics_frame(timestamp: object, step: object, values: object, default_step: int, prefix: str = "") -> bytes:
    """Build the frame of a logged row; empty without numbers. `place`: the step of a row that has none."""
    found = parse_json(values) if isinstance(values, (str, bytes)) else values
    numbers = dict(iter_numbers(found, prefix)) if isinstance(found, Mapping) else {}
    return encode_frame(encode_metrics(parse_time_us(timestamp), parse_step(step, default_step), numbers)) if numbers else b""


def build_alert_frame(columns: Mapping[str, Any]) -> bytes:
    """Build the frame of an alert, with or without data."""
    data = columns.get("data")
    found = parse_json(data) if isinstance(data, (str, bytes)) else data
    level = str(columns.get("level") or "").lower()
    step = columns.get("step")
    return build_pinned_frame(
        Alert(
            time=parse_time_us(columns.get("timestamp")),
            title=str(columns.get("title") or ""),
            level=AlertLevel(level) if level in set(AlertLevel) else AlertLevel.WARN,
            text=None if columns.get("text") is None else str(columns["text"]),
            step=None if step is None else parse_step(step, 0),
            data=to_storable_value(found) if isinstance(found, dict) else None,
        )
    )


def build_started_frame(run: str, time: int) -> bytes:
    """Build the start frame of a stream of logged rows: the run starts with whichever comes first."""
    return build_pinned_frame(RunStarted(time=time, attempt=words.derive_attempt_id(run), environment={"tracker": words.TRACKER}))


def build_config_frame(name: str, config: object, time: int) -> bytes:
    """Build the frame of a run's name, group, and config. trackio's own keys begin with `_`."""
    found = parse_json(config) if isinstance(config, (str, bytes)) else config
    values = {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else {}
    group = values.get("_Group")
    kept = {key: to_storable_value(value) for key, value in values.items() if not key.startswith("_")}
    return build_pinned_frame(RunUpdated(time=time, name=name, group=None if group is None else str(group), config=kept))


def to_storable_value(value: Any) -> Any:
    """Return a config value with integers that a record can hold."""
    match value:
        case dict():
            return {key: to_storable_value(inner) for key, inner in value.items()}
        case list():
            return [to_storable_value(inner) for inner in value]
        case int():
            return value if isinstance(value, bool) else to_storable_number(value)
    return value


def build_status_frame(run: str, columns: Mapping[str, Any]) -> bytes:
    """Build the frame of a run's final status; empty if it has none."""
    status = words.STATUS_BY_NAME.get(str(columns.get("status") or "").lower())
    if status is None or not status.is_final:
        return b""
    reason = columns.get("reason")
    time = parse_time_us(columns.get("timestamp") or columns.get("updated_at"))
    said = RunStatus(time=time, attempt=words.derive_attempt_id(run), status=status, reason=None if reason is None else str(reason))
    return build_pinned_frame(said)
