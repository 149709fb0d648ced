"""Columns come back exactly as they went, in little room."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasuki.errors import StoreCorrupt
from tasuki.store.series.chunk_codec import (
    column_from_bytes,
    column_to_bytes,
    pack_axis,
    pack_ints,
    pack_points,
    unpack_axis_points,
    unpack_ints,
    unpack_points,
)
from tasuki.store.series.points import Column, Points

ints = arrays.arrays(np.int64, st.integers(1, 300), elements=st.integers(-(2**63), 2**63 - 1))
floats = arrays.arrays(np.float64, st.integers(1, 300), elements=st.floats(allow_nan=True))
singles = arrays.arrays(np.float64, st.integers(1, 300), elements=st.floats(width=32))


def points(n: int) -> Points:
    steps = np.arange(n)
    return Points(steps, 1_800_000_000_000_000 + 1000 * steps, 0 * steps, 0 * steps, ["w"], {})


@given(ints)
def test_integers_come_back(values):
    assert (unpack_ints(pack_ints(values)) == values).all()


@given(floats | singles)
def test_floats_come_back_to_the_bit_but_for_the_payload_of_nan(values):
    rows = np.arange(len(values))
    back = column_from_bytes(column_to_bytes(Column(rows, values), len(values)))
    same = back.values.view(np.int64) == values.view(np.int64)
    assert (same | (np.isnan(values) & np.isnan(back.values))).all()
    assert (back.rows == rows).all()


def test_a_column_that_not_every_record_has_keeps_its_rows():
    column = Column(np.array([1, 5, 6]), np.array([0.1, 0.2, np.nan]))
    back = column_from_bytes(column_to_bytes(column, 10))
    assert back.rows.tolist() == [1, 5, 6]
    assert np.array_equal(back.values, column.values, equal_nan=True)


def test_arithmetic_integers_cost_nothing():
    assert pack_ints(np.arange(0, 4096 * 7, 7)).data == b""


def test_values_born_as_float32_take_half_the_room():
    values = np.random.default_rng(1).normal(size=4096)
    rows = np.arange(4096)
    whole = len(column_to_bytes(Column(rows, values), 4096))
    single = len(column_to_bytes(Column(rows, values.astype(np.float32).astype(np.float64)), 4096))
    assert single < 0.55 * whole < 0.55 * 8 * 4096


@pytest.mark.parametrize("size", [3, 4096])
def test_every_flipped_byte_of_a_block_is_noticed_or_harmless(size):
    """Behind the checksums: what is read is what was stored, or StoreCorrupt."""
    values = np.random.default_rng(2).normal(size=size)
    batch = points(size)
    batch.columns = {"a": Column(np.arange(size), values)}
    whole = pack_points(batch, {"a": 1})
    for place in range(0, len(whole), max(1, len(whole) // 200)):
        flipped = bytearray(whole)
        flipped[place] ^= 0x55
        with pytest.raises(StoreCorrupt):
            unpack_points(bytes(flipped), {1: "a"})


@given(st.binary(max_size=60))
def test_foreign_bytes_are_refused_as_damage(data):
    for read in (unpack_axis_points, column_from_bytes, lambda part: unpack_points(part, {})):
        with pytest.raises(StoreCorrupt):
            read(data)


def test_an_axis_comes_back():
    batch = points(100)
    back = unpack_axis_points(pack_axis(batch))
    assert (back.steps == batch.steps).all()
    assert (back.clocks == batch.clocks).all()
    assert back.names == ["w"]
