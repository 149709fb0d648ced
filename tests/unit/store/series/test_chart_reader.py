"""A chart shows exactly what all points give on its columns, though nearly all of them stay unread."""

import math

import apsw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.errors import StoreCorrupt
from tasuki.store import build_grid, connect_projection
from tasuki.store.series.blocks import BLOCK_RECORDS
from tasuki.store.series.chart_reader import ChartReader, open_chart_reader
from tasuki.store.series.downsample import MIN_ALIGNED_POINTS, Grid, find_cut_groups
from tasuki.store.series.points import Column, Points
from tasuki.store.series.read import read_points
from tasuki.store.series.tail import Tail

N = 3 * BLOCK_RECORDS


def batch(steps: np.ndarray, values: np.ndarray, *, clock: int = 0, sparse: int = 2) -> Points:
    """Calls of one writer in the order of their steps; every `sparse`-th has `acc` as well."""
    n, rows = len(steps), np.arange(0, len(steps), sparse)
    columns = {"loss": Column(np.arange(n), values), "acc": Column(rows, -values[rows])}
    return Points(np.sort(steps), clock + np.arange(n), np.zeros(n, np.int64), np.zeros(n, np.int64), ["w"], columns)


def projected(batches: list[Points]) -> apsw.Connection:
    """A store of one run, its batches projected one after the other."""
    db = connect_projection(":memory:")
    tail, records = Tail(db), 0
    for points in batches:
        if len(points):
            records = tail.append(1, points, records)
            tail.write()
    return db


def check(db: apsw.Connection, metric: str, n: int, first: int | None = None, last: int | None = None) -> None:
    """The chart is what the definition says of all points, on the chart's own columns."""
    points, sketch = read_points(db, 1, metric), open_chart_reader(db, 1, metric, first, last)
    on = build_grid([sketch.rollup], n, first, last)
    check_on(points, metric, sketch, on)
    assert on.n <= n
    assert on.n == 0 or (first in {None, on.first} and last in {None, on.last})


def check_on(points: Points, metric: str, sketch: ChartReader, on: Grid) -> None:
    rows, values = points.columns[metric]
    steps, found = points.steps[rows], sketch.downsample(on)
    assert found.n == ((steps >= on.first) & (steps <= on.last)).sum()
    for column, (start, end) in enumerate(zip(on.starts, [*on.starts, on.last + 1][1:], strict=True)):
        here = values[(steps >= start) & (steps < end)]
        numbers = here[~np.isnan(here)]
        least, greatest = (numbers.min(), numbers.max()) if len(numbers) else (math.nan, math.nan)
        last = here[-1] if len(here) else math.nan
        np.testing.assert_array_equal([found.min[column], found.max[column], found.last[column]], [least, greatest, last])
        assert found.nan[column] == np.isnan(here).any()


@st.composite
def runs(draw) -> list[Points]:
    """Long series as they may come: gaps, steps again, NaN and infinities, late points, a tail."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, stride = draw(st.integers(1, N)), draw(st.sampled_from([1, 7, 10**6, 2**40]))
    again = draw(st.sampled_from([0.0, 0.01, 0.9]))
    steps = draw(st.integers(-(10**6), 10**6)) + stride * np.cumsum(chance.random(n) >= again)
    values = chance.normal(size=n)
    for odd in draw(st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 1e300, 0.0]), max_size=4)):
        values[chance.integers(n, size=draw(st.integers(1, 40)))] = odd
    if draw(st.booleans()):
        values[n // 4 : n // 2] = math.nan
    pieces = np.array_split(np.arange(n), draw(st.integers(1, 5)))
    late = chance.choice(steps, draw(st.sampled_from([0, 3, 50])))
    sparse = draw(st.sampled_from([1, 2, 5, 100]))
    found = [batch(steps[piece], values[piece], clock=int(piece[0]) if len(piece) else 0, sparse=sparse) for piece in pieces]
    found.insert(draw(st.integers(0, len(found))), batch(late, chance.normal(size=len(late)), clock=10**9, sparse=sparse))
    return found


@given(batches=runs(), columns=st.integers(1, 60), data=st.data())
def test_every_extreme_nan_and_last_point_survives_whatever_is_zoomed_into(batches, columns, data):
    db = projected(batches)
    steps = read_points(db, 1, "loss").steps
    near = st.none() | st.sampled_from([int(steps[place]) for place in range(0, len(steps), max(1, len(steps) // 50))])
    wanted = [(None, None), *data.draw(st.lists(st.tuples(near, near), max_size=3))]
    for metric in ("loss", "acc"):
        for first, last in wanted:
            check(db, metric, columns, first, last)
    db.close()


@given(seed=st.integers(0, 2**32), n=st.integers(1, 200))
def test_columns_made_for_another_run_may_cut_anywhere(seed, n):
    chance = np.random.default_rng(seed)
    db = projected([batch(np.cumsum(chance.integers(0, 3, N)), chance.normal(size=N))])
    points, sketch = read_points(db, 1, "loss"), open_chart_reader(db, 1, "loss")
    starts = sorted({int(step) for step in chance.integers(1, 2 * N, n)})
    check_on(points, "loss", sketch, Grid(starts[0], starts[-1] + 1000, tuple(starts)))
    db.close()


def test_a_long_series_is_charted_without_its_points():
    db = projected([batch(np.arange(N), np.sin(np.arange(N)))])
    db.execute("UPDATE chunk SET data = x''")
    sketch = open_chart_reader(db, 1, "loss")
    on = build_grid([sketch.rollup], N // MIN_ALIGNED_POINTS)
    assert on.n > N // MIN_ALIGNED_POINTS // 2
    assert len(find_cut_groups(sketch.rollup, on)) == 0
    assert sketch.downsample(on).n == N
    db.close()


def test_zooming_in_reads_the_points_of_the_chunks_at_the_edges_only():
    db = projected([batch(np.arange(N), np.sin(np.arange(N)))])
    db.execute("UPDATE chunk SET data = x'' WHERE block = 2")
    first, last = BLOCK_RECORDS // 2 + 1, 2 * BLOCK_RECORDS + 100
    sketch = open_chart_reader(db, 1, "loss", first, last)
    assert sketch.downsample(build_grid([sketch.rollup], 4, first, last)).n == last - first + 1
    db.close()


@pytest.mark.parametrize("place", [0, 5, 20, -1])
def test_a_damaged_outline_is_told(place):
    db = projected([batch(np.arange(N), np.sin(np.arange(N)))])
    ((data,),) = db.execute("SELECT outline FROM chunk WHERE block = 1 AND metric = 1").fetchall()
    damaged = bytearray(data)
    damaged[place] ^= 1
    db.execute("UPDATE chunk SET outline = ? WHERE block = 1 AND metric = 1", (bytes(damaged),))
    with pytest.raises(StoreCorrupt, match="outline"):
        open_chart_reader(db, 1, "loss")
    db.close()


def test_a_metric_that_was_never_logged_has_none_and_one_that_was_is_empty_elsewhere():
    db = projected([batch(np.arange(BLOCK_RECORDS), np.zeros(BLOCK_RECORDS))])
    assert open_chart_reader(db, 1, "nothing") is None
    assert len(open_chart_reader(db, 1, "loss", first=10**6).rollup.first_steps) == 0
    db.close()
