"""What users hand to `log`, `config` and `alert`, as what a record can hold."""

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

__all__ = ["LARGEST_INT", "alert_level", "as_config", "jsonable", "numbers", "text", "text_of_error", "text_or_none", "whole_step"]

DEEPEST = 16
SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1


def text(value: object) -> str:
    """The value's text, with `?` for what UTF-8 can't hold."""
    plain = value if isinstance(value, str) else str(value)
    return plain.encode("utf-8", "replace").decode()


def text_or_none(value: object) -> str | None:
    """The value's text; None stays."""
    return None if value is None else text(value)


def alert_level(level: str) -> AlertLevel:
    """The level of a name. ConfigError for one that is none."""
    if level not in set(AlertLevel):
        raise ConfigError(f"there is no alert level {level!r}", hint=f"one of {', '.join(AlertLevel)}")
    return AlertLevel(level)


def text_of_error(error: BaseException) -> str:
    """The error's type and what it says."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def numbers(
    values: Mapping[Any, Any], warned: set[tuple[str, str]], prefix: str = "", above: tuple[int, ...] = ()
) -> dict[str, Any]:
    """The values that can be stored, nested as they were. For each other one a warning names its key and type, once.

    `above`: the ids of the mappings that this one is in; one that is inside itself is no number.
    """
    above = (*above, id(values))
    kept: dict[str, Any] = {}
    for key, value in values.items():
        name = text(key)
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and id(value) not in above and len(above) <= DEEPEST:
            if inner := numbers(value, warned, f"{path}/", above):
                kept[name] = inner
            continue
        try:
            kept[name] = number(value)
        except TypeError:
            kind = type(value).__qualname__
            if (path, kind) not in warned:
                warned.add((path, kind))
                warn_user(f"log() can't store {path!r}: it is a {kind}, not a number; the other values of the call are kept")
    return kept


def number(value: object) -> bool | int | float:
    """A number that a record can hold; TypeError for what is none. An integer past 64 bits becomes a float."""
    if not isinstance(value, (bool, int, float)):
        try:
            value = number_from_scalar(value)
        except TypeError:
            if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__float__"):
                raise
            value = as_float(value)
    if isinstance(value, int) and not SMALLEST_INT <= value <= LARGEST_INT:
        return as_float(value)
    return float(value) if isinstance(value, float) else value


def as_float(value: Any) -> float:
    """`float(value)`, with infinity for what is too large; TypeError for what refuses."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (ValueError, RuntimeError) as error:
        raise TypeError(str(error)) from error


def whole_step(step: object) -> int | None:
    """The step as a 64-bit integer; None for what is none."""
    try:
        if hasattr(step, "item"):
            step = number_from_scalar(step)
        whole = int(step) if isinstance(step, float) and step.is_integer() else operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        return None
    return whole if SMALLEST_INT <= whole <= LARGEST_INT else None


def jsonable(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Configs and alert data as plain dicts, lists, strings and numbers. What has no such form becomes its text.

    `above`: the ids of what this value is in; one that is inside itself, or too deep, becomes its text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return jsonable(value.value, above)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (int, float)):
        return number(value)
    if id(value) in above or len(above) > DEEPEST:
        return text(value)
    return structured(value, (*above, id(value)))


def structured(value: Any, above: tuple[int, ...]) -> Any:
    """Mappings, sequences, namespaces, structs, dataclasses, pydantic models, paths, arrays and scalars; else the text."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {text(key): jsonable(inner, above) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(inner, above) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name), above) for field in dataclasses.fields(value)}
    for method in ("model_dump", "tolist"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            return jsonable(getattr(value, method)(), above)
    return text(value)


def as_config(value: Any, what: str = "the config") -> dict[str, Any]:
    """A configuration, or the data of an alert, as a dict. ConfigError for what has no keys."""
    plain = {} if value is None else jsonable(value)
    if not isinstance(plain, dict):
        raise ConfigError(f"{what} is a {type(value).__qualname__}", hint='give a dict: {"lr": 0.1}')
    return plain
