"""A line for a chart says what the points say, though it reads less."""

import random

import apsw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki.store import catch_up, connect
from tasuki.store.metrics import BLOCK_RECORDS, read_line, read_points
from tests.journals import metrics
from tests.unit.store.sent import Sent


def projected(batches: list[list[int]]) -> apsw.Connection:
    """A store of one run whose writers logged these steps, every third without `acc`; a batch is projected at a time."""
    source, db = Sent(), connect(":memory:")
    for number, steps in enumerate(batches):
        calls = [metrics(step, loss=step + number / 8, **({"acc": step / 2} if step % 3 else {})) for step in steps]
        source.send(calls, writer=f"w{number % 3}")
        catch_up(db, source)
    return db


def check(db: apsw.Connection, first: int | None = None, last: int | None = None) -> None:
    for metric in ("loss", "acc"):
        points, line = read_points(db, 1, metric), read_line(db, 1, metric, first, last)
        if points is None:
            assert line is None
            continue
        rows, values = points.columns[metric]
        steps = points.steps[rows]
        inside = (steps >= (steps[0] if first is None else first)) & (steps <= (steps[-1] if last is None else last))
        found = (line.steps >= (steps[0] if first is None else first)) & (line.steps <= (steps[-1] if last is None else last))
        np.testing.assert_array_equal(line.steps[found], steps[inside])
        np.testing.assert_array_equal(line.values[found], values[inside])
        assert (np.diff(line.steps) >= 0).all()


SMALL = st.integers(0, 30)


@given(batches=st.lists(st.lists(SMALL, max_size=5), max_size=6), first=st.none() | SMALL, last=st.none() | SMALL)
def test_it_has_all_points_of_its_range_in_order(batches, first, last):
    db = projected(batches)
    check(db, first, last)
    db.close()


@pytest.mark.parametrize("seed", range(6))
def test_it_does_over_many_blocks_with_late_points_and_a_tail(seed):
    chance = random.Random(seed)
    n = 3 * BLOCK_RECORDS
    steps = sorted(chance.choices(range(n), k=n))
    late = chance.sample(range(n), 50)
    batches = [steps[: n // 2], steps[n // 2 :], late[:25], [*range(n, n + 10)], late[25:]][: chance.randint(2, 5)]
    db = projected(batches)
    check(db)
    for _ in range(10):
        first, last = sorted(chance.choices(range(-5, n + 20), k=2))
        check(db, first, last)
        check(db, first, None)
        check(db, None, last)
    db.close()


def test_a_metric_that_was_never_logged_has_none_and_one_that_was_has_an_empty_line_elsewhere():
    db = projected([list(range(BLOCK_RECORDS))])
    assert read_line(db, 1, "nothing") is None
    assert len(read_line(db, 1, "loss", first=10**6).steps) == 0
    db.close()
