import argparse
import dataclasses
import enum
import math
import warnings
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.errors import ConfigError
from tasuki.sdk.value_conversion import convert_metrics, parse_step, to_config_dict, to_json_value, to_text

HUGE = 10**400


class Tensor:
    """As torch has it: one number behind `.item()`, or an error that says there are several."""

    def __init__(self, *elements: float) -> None:
        self.elements = elements

    def __repr__(self) -> str:
        return f"Tensor{self.elements}"

    def item(self) -> float:
        if len(self.elements) != 1:
            raise RuntimeError(f"a Tensor with {len(self.elements)} elements cannot be converted to Scalar")
        return self.elements[0]


class Level(enum.IntEnum):
    LOW = 1


class Colour(enum.Enum):
    RED = "red"


class Word(str, enum.Enum):  # noqa: UP042 - what people wrote before StrEnum
    HELLO = "hello"


def cyclic() -> dict[str, Any]:
    """A dict that holds itself, twice."""
    me: dict[str, Any] = {"x": 1.0}
    me["me"] = me["again"] = me
    return me


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1),
        (True, True),
        (1.5, 1.5),
        (np.float32(1.5), 1.5),
        (np.float64(1.5), 1.5),
        (np.longdouble(1.5), 1.5),
        (np.int16(3), 3),
        (np.bool_(False), False),
        (np.array([1.5]), 1.5),
        (Tensor(2.5), 2.5),
        (Tensor(3), 3),
        (Decimal("1.5"), 1.5),
        (Fraction(3, 2), 1.5),
        (Level.LOW, 1),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, float(2**63)),
        (HUGE, math.inf),
        (-HUGE, -math.inf),
        (Fraction(HUGE), math.inf),
        (-Fraction(HUGE), -math.inf),
        (math.inf, math.inf),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_what_is_a_number_is_kept(value: Any, number: float):
    kept = convert_metrics({"x": value}, set())
    assert kept == {"x": number}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept)) == kept


def test_nan_is_kept():
    assert math.isnan(convert_metrics({"x": np.float32("nan")}, set())["x"])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        ("0.3", "str"),
        (b"3", "bytes"),
        ([1.0], "list"),
        (1 + 2j, "complex"),
        (object(), "object"),
        (np.array([1.0, 2.0]), "ndarray"),
        (Tensor(1, 2), "Tensor"),
        (Decimal("sNaN"), "Decimal"),
        (Colour.RED, "Colour"),
        (Tensor, "type"),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_what_is_no_number_is_left_out_with_a_warning_that_names_it(value: object, kind: str):
    with pytest.warns(RuntimeWarning, match=f"can't store 'train/x': it is a {kind}, not a number; the other values"):
        kept = convert_metrics({"train": {"x": value, "y": 1}, "z": 2}, set())
    assert kept == {"train": {"y": 1}, "z": 2}


def test_each_key_and_type_is_warned_of_once():
    warned: set[tuple[str, str]] = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            convert_metrics({"a": None, "b": None, "c": {"a": "x"}}, warned)
        convert_metrics({"a": "text"}, warned)
    named = [str(warning.message).split("; ")[0] for warning in caught]
    assert named == [
        "log() can't store 'a': it is a NoneType, not a number",
        "log() can't store 'b': it is a NoneType, not a number",
        "log() can't store 'c/a': it is a str, not a number",
        "log() can't store 'a': it is a str, not a number",
    ]


@pytest.mark.parametrize("mapping", [OrderedDict(a=1), MappingProxyType({"a": 1})], ids=["ordered", "proxy"])
def test_mappings_of_any_type_may_be_nested(mapping: Any):
    assert convert_metrics({"m": mapping}, set()) == {"m": {"a": 1}}


def test_empty_mappings_are_left_out():
    assert convert_metrics({"m": {}, "deep": {"er": {}}}, set()) == {}


def test_keys_become_their_text():
    assert convert_metrics({1: 1, None: 2, (1, 2): 3, "\ud800": 4}, set()) == {"1": 1, "None": 2, "(1, 2)": 3, "?": 4}


def test_a_dict_inside_itself_is_no_number():
    with pytest.warns(RuntimeWarning) as caught:
        assert convert_metrics(cyclic(), set()) == {"x": 1.0}
    assert [str(warning.message).split(":")[0] for warning in caught] == ["log() can't store 'me'", "log() can't store 'again'"]


def test_one_dict_in_two_places_is_kept_twice():
    shared = {"x": 1}
    assert convert_metrics({"a": shared, "b": shared}, set()) == {"a": shared, "b": shared}


def test_what_is_nested_very_deep_is_left_out_with_a_warning():
    deep: dict[str, Any] = {"x": 1}
    for _ in range(2000):
        deep = {"d": deep, "x": 1}
    with pytest.warns(RuntimeWarning, match="it is a dict, not a number"):
        assert convert_metrics(deep, set())["x"] == 1


@pytest.mark.parametrize(
    ("step", "whole"),
    [
        (3, 3),
        (-3, -3),
        (True, 1),
        (3.0, 3),
        (np.int64(3), 3),
        (np.float32(3.0), 3),
        (np.array(3), 3),
        (Tensor(3), 3),
        (Level.LOW, 1),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
    ],
    ids=repr,
)
def test_a_step_that_is_whole_is_an_integer(step: object, whole: int):
    found = parse_step(step)
    assert found == whole
    assert type(found) is int


@pytest.mark.parametrize(
    "step",
    [3.5, math.nan, math.inf, "3", b"3", None, [3], Tensor(1, 2), np.array([1, 2]), Decimal(3), 2**63, -(2**63) - 1, HUGE],
    ids=lambda step: type(step).__name__,
)
def test_a_step_that_is_none_is_none(step: object):
    assert parse_step(step) is None


class Struct(msgspec.Struct):
    """One of msgspec's."""

    lr: float


@dataclasses.dataclass
class Data:
    """One of the standard library's."""

    lr: float
    path: Path


class Model:
    """As pydantic has it."""

    def model_dump(self) -> dict[str, Any]:
        return {"lr": 0.1, "tags": {"a"}}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": {"b": [1, (2.5, None)], "c": True}}, {"a": {"b": [1, [2.5, None]], "c": True}}),
        (argparse.Namespace(lr=0.1), {"lr": 0.1}),
        (Struct(0.1), {"lr": 0.1}),
        (Data(0.1, Path("/x")), {"lr": 0.1, "path": "/x"}),
        (Model(), {"lr": 0.1, "tags": ["a"]}),
        ({1: {None: 2}}, {"1": {"None": 2}}),
        ({"c": Colour.RED, "w": Word.HELLO, "l": Level.LOW}, {"c": "red", "w": "hello", "l": 1}),
        ({"a": np.arange(3), "s": np.float32(0.5)}, {"a": [0, 1, 2], "s": 0.5}),
        ({"big": HUGE, "inf": math.inf}, {"big": math.inf, "inf": math.inf}),
        ({"s": frozenset({1}), "text": "\ud800é"}, {"s": [1], "text": "?é"}),
        ({"type": Struct, "f": len, "d": Decimal("0.1")}, {"type": str(Struct), "f": str(len), "d": "0.1"}),
        (None, {}),
    ],
    ids=range(12),
)
def test_a_config_becomes_what_a_record_can_hold(value: object, plain: dict[str, Any]):
    config = to_config_dict(value)
    assert config == plain
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(config)) == plain


@pytest.mark.parametrize("value", [3, "text", [1], np.arange(3), object()], ids=lambda value: type(value).__name__)
def test_a_config_without_keys_is_refused(value: object):
    with pytest.raises(ConfigError, match=f"the config is a {type(value).__name__}"):
        to_config_dict(value)


def test_what_is_inside_itself_becomes_its_text():
    plain = to_json_value(cyclic())
    assert plain["x"] == 1.0
    assert isinstance(plain["me"], str)
    loop: list[Any] = []
    loop.append(loop)
    assert to_json_value(loop) == ["[[...]]"]


def test_what_is_nested_very_deep_becomes_its_text():
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    assert "end" in str(to_json_value(deep))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
        max_leaves=20,
    )
)
def test_anything_becomes_what_a_record_can_hold(value: Any):
    plain = to_json_value(value)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plain)) == plain


@given(st.text(st.characters()))
def test_text_is_always_utf8(given_text: str):
    kept = to_text(given_text)
    assert kept.encode().decode() == kept
    assert len(kept) == len(given_text)
