"""Convert users' values for `log`, `config`, and `alert` to values that a record can hold."""

import dataclasses
import math
import operator
from argparse import Namespace
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from tasuki.errors import ConfigError, warn_user
from tasuki.records import AlertLevel, number_from_scalar

__all__ = [
    "MAX_INT64",
    "convert_metrics",
    "describe_error",
    "parse_alert_level",
    "parse_step",
    "to_config_dict",
    "to_json_value",
    "to_text",
    "to_text_or_none",
]

MAX_DEPTH = 16
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1


def to_text(value: object) -> str:
    """The value's text, with `?` for what UTF-8 can't hold."""
    plain = value if isinstance(value, str) else str(value)
    return plain.encode("utf-8", "replace").decode()


def to_text_or_none(value: object) -> str | None:
    """The value's text; None stays."""
    return None if value is None else to_text(value)


def parse_alert_level(level: str) -> AlertLevel:
    """The level of a name. ConfigError for one that is none."""
    if level not in set(AlertLevel):
        raise ConfigError(f"there is no alert level {level!r}", hint=f"one of {', '.join(AlertLevel)}")
    return AlertLevel(level)


def describe_error(error: BaseException) -> str:
    """The error's type and what it says."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def convert_metrics(
    values: Mapping[Any, Any], warned: set[tuple[str, str]], prefix: str = "", parent_ids: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Convert metrics, nested as given. Warn once about each key whose value is not a number.

    `above`: the ids of the mappings that this one is in; one that is inside itself is no number.
    """
    parent_ids = (*parent_ids, id(values))
    kept: dict[str, Any] = {}
    for key, value in values.items():
        name = to_text(key)
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and id(value) not in parent_ids and len(parent_ids) <= MAX_DEPTH:
            if inner := convert_metrics(value, warned, f"{path}/", parent_ids):
                kept[name] = inner
            continue
        try:
            kept[name] = convert_number(value)
        except TypeError:
            kind = type(value).__qualname__
            if (path, kind) not in warned:
                warned.add((path, kind))
                warn_user(f"log() can't store {path!r}: it is a {kind}, not a number; the other values of the call are kept")
    return kept


def convert_number(value: object) -> bool | int | float:
    """Convert a number. Raise TypeError if it is none. An integer beyond 64 bits becomes a float."""
    if not isinstance(value, (bool, int, float)):
        try:
            value = number_from_scalar(value)
        except TypeError:
            if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__float__"):
                raise
            value = to_float(value)
    if isinstance(value, int) and not MIN_INT64 <= value <= MAX_INT64:
        return to_float(value)
    return float(value) if isinstance(value, float) else value


def to_float(value: Any) -> float:
    """`float(value)`, with infinity for what is too large; TypeError for what refuses."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (ValueError, RuntimeError) as error:
        raise TypeError(str(error)) from error


def parse_step(step: object) -> int | None:
    """The step as a 64-bit integer; None for what is none."""
    try:
        if hasattr(step, "item"):
            step = number_from_scalar(step)
        whole = int(step) if isinstance(step, float) and step.is_integer() else operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        return None
    return whole if MIN_INT64 <= whole <= MAX_INT64 else None


def to_json_value(value: Any, parent_ids: tuple[int, ...] = ()) -> Any:
    """Convert configs and alert data to dicts, lists, strings, and numbers; anything else to its text.

    `above`: the ids of what this value is in; one that is inside itself, or too deep, becomes its text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return to_json_value(value.value, parent_ids)
    if isinstance(value, str):
        return to_text(value)
    if isinstance(value, (int, float)):
        return convert_number(value)
    if id(value) in parent_ids or len(parent_ids) > MAX_DEPTH:
        return to_text(value)
    return convert_structure(value, (*parent_ids, id(value)))


def convert_structure(value: Any, parent_ids: tuple[int, ...]) -> Any:
    """Convert mappings, sequences, namespaces, structs, dataclasses, pydantic models, paths, and arrays.

    Anything else becomes its text.
    """
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {to_text(key): to_json_value(inner, parent_ids) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json_value(inner, parent_ids) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json_value(getattr(value, field.name), parent_ids) for field in dataclasses.fields(value)}
    for method in ("model_dump", "tolist"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            return to_json_value(getattr(value, method)(), parent_ids)
    return to_text(value)


def to_config_dict(value: Any, label: str = "the config") -> dict[str, Any]:
    """A configuration, or the data of an alert, as a dict. ConfigError for what has no keys."""
    plain = {} if value is None else to_json_value(value)
    if not isinstance(plain, dict):
        raise ConfigError(f"{label} is a {type(value).__qualname__}", hint='give a dict: {"lr": 0.1}')
    return plain
