import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.store.series.downsample import Grid, build_chart_columns, build_grid
from tasuki.store.series.points import ChartLine
from tasuki.store.series.rollups import Rollup, make_rollup

INT64 = st.integers(-(2**63), 2**63 - 1)
STEPS = st.one_of(INT64, st.integers(-50, 50), st.integers(10**18, 10**18 + 1000))
VALUES = st.floats(width=64)


def line_of(points: list[tuple[int, float]]) -> Rollup:
    points = sorted(points, key=lambda point: point[0])
    steps = np.array([step for step, _ in points], np.int64)
    return make_rollup(ChartLine(steps, np.array([value for _, value in points], np.float64)))


class TestGrid:
    def test_there_is_a_column_for_each_step_where_there_are_few(self):
        on = build_grid([line_of([(3, 1.0), (7, 2.0)])], 640)
        assert on == Grid.even(3, 7, 5)
        assert on.ends.tolist() == [3, 4, 5, 6, 7]

    def test_one_grid_spans_all_runs(self):
        assert build_grid([line_of([(3, 1.0)]), line_of([(-5, 0.0), (2, 0.0)])], 4) == Grid.even(-5, 3, 4)

    def test_nothing_logged_has_no_columns(self):
        on = build_grid([line_of([])], 640)
        assert on.n == 0
        assert on.ends.tolist() == []
        assert build_chart_columns(line_of([(1, 1.0)]), on).n == 0

    def test_steps_that_were_asked_for_win(self):
        assert build_grid([line_of([(3, 1.0), (700, 2.0)])], 10, first=100, last=199) == Grid.even(100, 199, 10)
        assert build_grid([line_of([(3, 1.0)])], 10, first=9, last=4).n == 0

    @given(first=INT64, width=st.integers(1, 2**64), n=st.integers(1, 700))
    def test_each_column_ends_where_the_next_begins(self, first, width, n):
        last = min(first + width - 1, 2**63 - 1)
        on = Grid.even(first, last, min(n, last - first + 1))
        starts = [*on.starts, last + 1]
        assert (starts[0], starts[-1]) == (first, last + 1)
        assert all(one < other for one, other in pairwise(starts))
        assert all(column_of(on, start) == column for column, start in enumerate(starts[:-1]))
        assert all(column_of(on, start - 1) == column for column, start in enumerate(starts[1:]))
        assert on.ends.tolist() == [float(start - 1) for start in starts[1:]]


class TestColumns:
    @given(points=st.lists(st.tuples(STEPS, VALUES), min_size=1, max_size=60), n=st.integers(1, 40))
    def test_every_extreme_nan_and_last_point_survives(self, points, n):
        found = line_of(points)
        on = build_grid([found], n)
        line = build_chart_columns(found, on)
        assert line.n == len(points)
        places = np.array([column_of(on, step) for step in found.first_steps.tolist()])
        for column in range(on.n):
            here = found.last_values[places == column]
            numbers = here[~np.isnan(here)]
            assert line.nan[column] == bool(np.isnan(here).any())
            assert same(line.min[column], numbers.min() if len(numbers) else math.nan)
            assert same(line.max[column], numbers.max() if len(numbers) else math.nan)
            assert same(line.last[column], here[-1] if len(here) else math.nan)
        assert same(line.last[-1], found.last_values[-1])

    @given(
        points=st.lists(st.tuples(st.integers(-50, 50), VALUES), max_size=60), first=st.integers(-60, 60), width=st.integers(1, 50)
    )
    def test_what_is_off_the_grid_is_left_out(self, points, first, width):
        on = build_grid([], 7, first=first, last=first + width - 1)
        inside = [(step, value) for step, value in points if first <= step < first + width]
        line, alone = build_chart_columns(line_of(points), on), build_chart_columns(line_of(inside), on)
        assert line.n == len(inside)
        for one, other in zip(line[1:], alone[1:], strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("value", [math.inf, -math.inf])
    def test_infinity_is_an_extreme(self, value):
        found = line_of([(0, 1.0), (1, value), (2, 0.0)])
        line = build_chart_columns(found, build_grid([found], 1))
        assert value in (line.min[0], line.max[0])


def column_of(on: Grid, step: int) -> int:
    """In which column a step lies, from the definition: columns of equal width."""
    return (step - on.first) * on.n // (on.last - on.first + 1)


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
