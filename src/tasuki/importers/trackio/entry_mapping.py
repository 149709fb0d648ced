"""Map trackio's entries to records: runs, logs, alerts, and media.

Facts of trackio 0.43: a run is known by `run_id`, before that by its name; the config comes with a process's first log, and has
`_Created`, `_Username` and `_Group` in it; numbers that JSON has no word for are texts; a value that is no number is a dict with a
`_type`; a file is uploaded beside, under the last part of its `file_path`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tasuki.errors import ConfigError
from tasuki.importers.trackio.client_protocol import AlertEntry
from tasuki.journal import validate_run_id
from tasuki.records import Alert, AlertLevel, File, RunStarted, Status

__all__ = [
    "SYSTEM_PREFIX",
    "TRACKER",
    "EntryValues",
    "base_name",
    "build_alert",
    "build_run_started",
    "derive_attempt_id",
    "map_metrics",
    "map_run_id",
    "parse_status",
    "parse_time_us",
]

TRACKER = "trackio"
SYSTEM_PREFIX = "system"
"""What names of system metrics begin with."""
MAX_DEPTH = 16
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
NON_FINITE_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
TYPE_PREFIX = "trackio."
MEDIA_TYPES = frozenset({"image", "video", "audio", "html", "object3d"})
JSON_VALUE_TYPES = frozenset({"table", "histogram", "trace"})
STATUS_BY_NAME = {
    "running": Status.RUNNING,
    "finished": Status.FINISHED,
    "completed": Status.FINISHED,
    "failed": Status.FAILED,
    "crashed": Status.FAILED,
    "killed": Status.FAILED,
}


class EntryValues(NamedTuple):
    """Values of one entry: numbers by name, and other values."""

    numbers: dict[str, Any]
    files: list[File]


def map_run_id(name: str | None, client_run_id: str | None) -> str:
    """Return the run id: trackio's, or one derived from it if ours cannot be like that.

    Raise ConfigError for a nameless run.
    """
    identity = client_run_id or name
    if not identity:
        raise ConfigError("an entry names no run", hint="`run`, or `run_id`")
    try:
        return validate_run_id(identity)
    except ConfigError:
        return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:16]


def derive_attempt_id(run: str) -> str:
    """Return the attempt id of a run without separate attempts."""
    return hashlib.sha256(f"trackio {run}".encode()).hexdigest()[:16]


def parse_time_us(text: object, default: int) -> int:
    """Parse trackio's time as microseconds UTC; else return the default."""
    try:
        found = datetime.fromisoformat(str(text))
        return max(0, round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000_000))
    except (ValueError, OverflowError):
        return default


def build_run_started(attempt: str, name: str | None, config: Mapping[str, Any] | None, now: int) -> RunStarted:
    """Build the start of an attempt; move trackio's own config keys to their fields."""
    said = dict(config or {})
    created = said.get("_Created")
    user, group = said.get("_Username"), said.get("_Group")
    environment = {"tracker": TRACKER}
    environment |= {"created": str(created)} if created is not None else {}
    environment |= {"user": str(user)} if user is not None else {}
    return RunStarted(
        time=parse_time_us(created, now),
        attempt=attempt,
        name=name,
        group=None if group is None else str(group),
        config={key: to_storable_value(value) for key, value in said.items() if not key.startswith("_")},
        environment=environment,
    )


def map_metrics(metrics: Mapping[str, Any], step: int, time: int) -> EntryValues:
    """Return an entry's numbers, and a record for each other value."""
    numbers: dict[str, Any] = {}
    files: list[File] = []
    for key, value in metrics.items():
        if value.__class__ is float:
            numbers[key] = value
        else:
            for name, part in iter_values(key, value, 0):
                if isinstance(part, File):
                    files.append(msgspec.structs.replace(part, key=name, step=step, time=time))
                else:
                    numbers[name] = part
    return EntryValues(numbers, files)


def iter_values(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and files in a value, by joined names; skip None."""
    match value:
        case None:
            return
        case bool() | int() | float():
            yield name, to_storable_number(value)
        case str():
            yield name, NON_FINITE_NUMBERS[value] if value in NON_FINITE_NUMBERS else build_inline_file("text", value)
        case {"_type": str(kind)}:
            yield name, map_typed_value(kind.removeprefix(TYPE_PREFIX), value)
        case dict() if depth < MAX_DEPTH:
            for key, inner in value.items():
                yield from iter_values(f"{name}/{key}", inner, depth + 1)
        case _:
            yield name, build_inline_file("json", value)


def to_storable_number(value: float) -> bool | int | float:
    """Return a number that a record can hold: an integer beyond 64 bits becomes a float."""
    if isinstance(value, int) and not MIN_INT64 <= value <= MAX_INT64:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def to_storable_value(value: Any, depth: int = 0) -> Any:
    """Return the value with storable integers; text replaces what is nested too deep."""
    match value:
        case bool() | int() | float():
            return to_storable_number(value)
        case dict() | list() if depth >= MAX_DEPTH:
            return format_json(value)
        case dict():
            return {key: to_storable_value(inner, depth + 1) for key, inner in value.items()}
        case list():
            return [to_storable_value(inner, depth + 1) for inner in value]
    return value


def map_typed_value(kind: str, value: Mapping[str, Any]) -> File:
    """Build the record of a value with a `_type`."""
    path, caption = value.get("file_path"), value.get("caption")
    if kind in MEDIA_TYPES and isinstance(path, str) and base_name(path):
        return File(time=0, path=base_name(path), form=kind, caption=None if caption is None else str(caption))
    if kind == "markdown" and isinstance(value.get("_value"), str):
        return build_inline_file(kind, value["_value"])
    return build_inline_file(kind if kind in JSON_VALUE_TYPES else "json", value)


def format_json(value: Any) -> str:
    """Encode a value as JSON with the standard library, which has integers of any length."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def build_inline_file(form: str, value: Any) -> File:
    """Build the record of a text, or of any other value as JSON."""
    as_text = form in {"text", "markdown"}
    content = value if as_text else format_json(value)
    media_type = {"text": "text/plain", "markdown": "text/markdown"}.get(form, "application/json")
    data = content.encode()
    return File(time=0, form=form, sha256=hashlib.sha256(data).hexdigest(), size=len(data), media_type=media_type, content=content)


def base_name(path: str) -> str:
    """Return the last part of a path of any system; empty if it leads elsewhere."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return "" if name in {".", ".."} else name


def build_alert(entry: AlertEntry, now: int) -> Alert:
    """Build an alert; a level unknown to trackio becomes a warning."""
    known = {level.value: level for level in AlertLevel}
    return Alert(
        time=parse_time_us(entry.timestamp, now),
        title=entry.title,
        level=known.get(str(entry.level).lower(), AlertLevel.WARN),
        text=entry.text,
        reason=entry.reason,
        metric=entry.metric,
        value=entry.value,
        step=entry.step,
        data=None if entry.data is None else to_storable_value(entry.data),
    )


def parse_status(text: str) -> Status:
    """Return the status that a word means. Raise ConfigError for an unknown word."""
    found = STATUS_BY_NAME.get(text.lower())
    if found is None:
        raise ConfigError(f"there is no status {text!r}", hint=f"one of {', '.join(STATUS_BY_NAME)}")
    return found
