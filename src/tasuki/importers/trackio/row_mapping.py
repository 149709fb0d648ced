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
from tasuki.journal import project_name
from tasuki.records import Alert, AlertLevel, Record, RunStarted, RunStatus, RunUpdated, encode, encode_metrics, frame

__all__ = [
    "alert_frame",
    "config_frame",
    "digest",
    "metrics_frame",
    "project_of",
    "run_of",
    "started_frame",
    "status_frame",
    "time_of",
    "writer_of",
]

ODD_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How trackio writes what JSON can't."""
SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
DEEPEST = 16
FIELDS: Mapping[type, int] = {RunStarted: 9, RunUpdated: 8, RunStatus: 5, Alert: 10}
"""With the kind and the time."""
read_json = msgspec.json.Decoder().decode


# -- who


def digest(*words: object) -> str:
    """Return 32 hex digits that identify the words."""
    return hashlib.sha256(json.dumps(["trackio", 1, *words]).encode()).hexdigest()[:32]


def writer_of(project: str, run: str, *words: object) -> str:
    """Return the writer id of some of a run's rows."""
    return digest(project, run, *words)


def project_of(name: str) -> str:
    """Return a project's name as trackio names its files: letters, digits, `-`, and `_` stay."""
    return project_name("".join(letter for letter in name if letter.isalnum() or letter in "-_") or "default")


def run_of(key: str) -> str:
    """Return a run's id, as for a run that trackio's client sends to a server."""
    return words.run_of(None, key)


# -- what


def pinned(record: Record) -> bytes:
    """Build a frame with the first fields of the record's kind only.

    Fields added later would change the bytes of the same row.
    """
    fields: list[Any] = msgspec.msgpack.decode(encode(record))
    return frame(msgspec.msgpack.encode(fields[: FIELDS[type(record)]]))


def time_of(text: object) -> int:
    """Parse a time stamp as microseconds UTC: UTC without a zone, 0 if invalid."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return 0
    return (time.replace(tzinfo=time.tzinfo or UTC) - BEGINNING) // timedelta(microseconds=1)


def parsed(text: object) -> Any:
    """Parse stored JSON (text or bytes, in old versions with NaN); None if invalid."""
    if not isinstance(text, (str, bytes)):
        return None
    try:
        return read_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None


def flat(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, int | float]]:
    """Yield the numbers in a logged value, by name; skip media, tables, and texts."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            if "_type" not in value and depth < DEEPEST:
                yield from flat(value, f"{prefix}{name}/", depth + 1)
        elif isinstance(value, float):
            yield f"{prefix}{name}", value
        elif isinstance(value, int):
            yield f"{prefix}{name}", as_number(int(value))
        elif isinstance(value, str) and value in ODD_NUMBERS:
            yield f"{prefix}{name}", ODD_NUMBERS[value]


def as_number(value: int) -> int | float:
    """Return an integer, or the nearest float beyond 64 bits."""
    if SMALLEST_INT <= value <= LARGEST_INT:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def whole(step: object, otherwise: int) -> int:
    """Return a step."""
    if isinstance(step, (int, float)) and math.isfinite(step):
        return min(max(int(step), SMALLEST_INT), LARGEST_INT)
    return otherwise


def metrics_frame(timestamp: object, step: object, values: object, place: int, prefix: str = "") -> bytes:
    """Build the frame of a logged row; empty without numbers. `place`: the step of a row that has none."""
    found = parsed(values) if isinstance(values, (str, bytes)) else values
    numbers = dict(flat(found, prefix)) if isinstance(found, Mapping) else {}
    return frame(encode_metrics(time_of(timestamp), whole(step, place), numbers)) if numbers else b""


def alert_frame(columns: Mapping[str, Any]) -> bytes:
    """Build the frame of an alert, with or without data."""
    data = columns.get("data")
    found = parsed(data) if isinstance(data, (str, bytes)) else data
    level = str(columns.get("level") or "").lower()
    step = columns.get("step")
    return pinned(
        Alert(
            time=time_of(columns.get("timestamp")),
            title=str(columns.get("title") or ""),
            level=AlertLevel(level) if level in set(AlertLevel) else AlertLevel.WARN,
            text=None if columns.get("text") is None else str(columns["text"]),
            step=None if step is None else whole(step, 0),
            data=packable(found) if isinstance(found, dict) else None,
        )
    )


def started_frame(run: str, time: int) -> bytes:
    """Build the start frame of a stream of logged rows: the run starts with whichever comes first."""
    return pinned(RunStarted(time=time, attempt=words.first_attempt(run), environment={"tracker": words.TRACKER}))


def config_frame(name: str, config: object, time: int) -> bytes:
    """Build the frame of a run's name, group, and config. trackio's own keys begin with `_`."""
    found = parsed(config) if isinstance(config, (str, bytes)) else config
    values = {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else {}
    group = values.get("_Group")
    kept = {key: packable(value) for key, value in values.items() if not key.startswith("_")}
    return pinned(RunUpdated(time=time, name=name, group=None if group is None else str(group), config=kept))


def packable(value: Any) -> Any:
    """Return a config value with integers that a record can hold."""
    match value:
        case dict():
            return {key: packable(inner) for key, inner in value.items()}
        case list():
            return [packable(inner) for inner in value]
        case int():
            return value if isinstance(value, bool) else as_number(value)
    return value


def status_frame(run: str, columns: Mapping[str, Any]) -> bytes:
    """Build the frame of a run's final status; empty if it has none."""
    status = words.STATUS.get(str(columns.get("status") or "").lower())
    if status is None or not status.is_final:
        return b""
    reason = columns.get("reason")
    time = time_of(columns.get("timestamp") or columns.get("updated_at"))
    said = RunStatus(time=time, attempt=words.first_attempt(run), status=status, reason=None if reason is None else str(reason))
    return pinned(said)
