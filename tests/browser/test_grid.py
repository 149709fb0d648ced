"""The page's own arithmetic: what a chart keeps of its points."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Server, Watched

pytestmark = pytest.mark.browser

MAKE = """async ([points, columns]) => {
    const { Grid } = await import('./js/grid.js');
    const grid = new Grid(points[0][0], points[0][0], columns);
    for (const [step, value] of points) grid.add('run', step, value === null ? NaN : value);
    const lane = grid.lanes.get('run');
    const part = (name) => Array.from(lane[name].subarray(0, grid.size), (value) => (Number.isNaN(value) ? null : value));
    const parts = Object.fromEntries(['x', 'min', 'max', 'last', 'nan'].map((name) => [name, part(name)]));
    return { size: grid.size, n: lane.n, xs: [...grid.xs()], ...parts };
}"""


@pytest.fixture
def page(visit: Callable[..., Watched]) -> Page:
    return visit().page


def known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


@pytest.mark.parametrize("seed", range(4))
def test_every_extreme_nan_and_last_point_survives_live_growth(page: Page, seed: int) -> None:
    chance = random.Random(seed)
    steps = list(range(0, 5000, chance.choice([1, 3, 7])))
    points: list[list[Any]] = [[step, None if chance.random() < 0.002 else chance.gauss(0, 1)] for step in steps]
    made = page.evaluate(MAKE, [points, 100])
    values = [value for _, value in points if value is not None]
    assert made["size"] <= 200
    assert made["n"] == len(points)
    assert min(known(made["min"])) == min(values)
    assert max(known(made["max"])) == max(values)
    assert known(made["last"])[-1] == values[-1]
    assert known(made["x"])[-1] == steps[-1]
    assert any(made["nan"]) == any(value is None for _, value in points)
    width = made["xs"][1] - made["xs"][0]
    assert width == pytest.approx(2 ** round(math.log2(width)))
    for bucket, (least, greatest) in enumerate(zip(made["min"], made["max"], strict=True)):
        inside = [value for step, value in points if value is not None and bucket * width <= step < (bucket + 1) * width]
        assert least == (min(inside) if inside else None)
        assert greatest == (max(inside) if inside else None)


def test_late_point_changes_the_extremes_and_not_the_last_value(page: Page) -> None:
    made = page.evaluate(MAKE, [[[step, 1] for step in range(400)] + [[50, 9]], 100])
    assert max(known(made["max"])) == 9
    assert known(made["last"])[-1] == 1
    assert 9 not in known(made["last"])


def test_live_points_and_the_server_agree(server: Server, train: Callable[[], Any], visit: Callable[..., Watched]) -> None:
    """The frame of the server and the same points one by one give the same extremes and the same last value."""
    trainer = train()
    chance = random.Random(1)
    trainer.start()
    values = [chance.gauss(0, 1) for _ in range(300)]
    for step, value in enumerate(values):
        trainer.log(step, loss=value)
    page = visit("#project=digits").page
    page.wait_for_selector('[data-metric="loss"] .canvas[data-drawn="299"]')
    found = page.evaluate("""async () => {
        const { dataOf } = await import('./js/chart_data.js');
        const { grid } = dataOf('loss');
        const [lane] = [...grid.lanes.values()];
        return [[...lane.min], [...lane.max], [...lane.last]].map((part) => part.filter((value) => !Number.isNaN(value)));
    }""")
    assert min(found[0]) == pytest.approx(min(values), rel=1e-6)
    assert max(found[1]) == pytest.approx(max(values), rel=1e-6)
    assert found[2][-1] == pytest.approx(values[-1], rel=1e-6)
    assert found[2] == pytest.approx(values, rel=1e-6)
