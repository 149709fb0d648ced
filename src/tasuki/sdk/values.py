"""What users hand to `log`, `config` and `alert`, as what a record can hold."""

import dataclasses
import math
import operator
import warnings
from argparse import Namespace
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec

from tasuki.errors import ConfigError
from tasuki.records import number_from_scalar

__all__ = ["as_config", "jsonable", "numbers", "whole_step"]

DEEPEST = 16
SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1


def numbers(values: Mapping[Any, Any], warned: set[tuple[str, str]], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """The values that can be stored, nested as they were. For each other one a warning names its key and type, once."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).encode("utf-8", "replace").decode()
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            if inner := numbers(value, warned, f"{path}/", depth + 1):
                kept[name] = inner
            continue
        try:
            kept[name] = number(value)
        except TypeError:
            kind = type(value).__qualname__
            if (path, kind) not in warned:
                warned.add((path, kind))
                warnings.warn(
                    f"log() can't store {path!r}: it is a {kind}, not a number; the other values of the call are kept",
                    RuntimeWarning,
                    stacklevel=4,
                )
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
        return math.copysign(math.inf, value)
    except (ValueError, RuntimeError) as error:
        raise TypeError(str(error)) from error


def whole_step(step: object) -> int | None:
    """The step as a 64-bit integer; None for what is none."""
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    try:
        whole = operator.index(number_from_scalar(step) if hasattr(step, "item") else step)  # type: ignore[arg-type]
    except TypeError:
        return None
    return whole if SMALLEST_INT <= whole <= LARGEST_INT else None


def jsonable(value: Any) -> Any:
    """Configs and alert data as plain dicts, lists, strings and numbers. What has no such form becomes its text."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(inner) for inner in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return number(value)
    return structured(value)


def structured(value: Any) -> Any:
    """Structs, dataclasses, pydantic models, enums, paths, arrays and scalars; else the text."""
    if isinstance(value, Enum):
        return jsonable(value.value)
    if isinstance(value, msgspec.Struct):
        return jsonable(msgspec.structs.asdict(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, PurePath):
        return str(value)
    for method in ("model_dump", "tolist"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            return jsonable(getattr(value, method)())
    return str(value)


def as_config(value: Any) -> dict[str, Any]:
    """A configuration as a dict. ConfigError for what has no keys."""
    plain = {} if value is None else jsonable(value)
    if not isinstance(plain, dict):
        raise ConfigError(f"the config is a {type(value).__qualname__}", hint='give a dict: config={"lr": 0.1}')
    return plain
