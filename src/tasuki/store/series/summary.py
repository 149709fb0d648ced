"""Summary of each metric of each run: count, first, last, minimum, and maximum, with their positions."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from tasuki.store.series.points import Floats, Ints, PointOrder, Points

__all__ = ["MAX_TIME", "MERGE_SUMMARY", "summarize_points"]


def build_summary_upsert() -> str:
    """SQL that merges a batch's summary into the stored one; commutative, so batch order does not matter."""
    order = "{side}_step, {side}_clock, {side}_writer"
    new = "excluded.{side}_step, excluded.{side}_clock, excluded.{side}_writer"
    kept = "summary.{side}_step, summary.{side}_clock, summary.{side}_writer"
    wins = {
        "first": f"({new}) < ({kept})",
        "last": f"({new}) > ({kept})",
        "min": f"summary.min IS NULL OR excluded.min < summary.min OR (excluded.min = summary.min AND ({new}) < ({kept}))",
        "max": f"summary.max IS NULL OR excluded.max > summary.max OR (excluded.max = summary.max AND ({new}) < ({kept}))",
    }
    sets, columns = ["n = n + excluded.n", "settled = 0"], ["run", "metric", "n"]
    for side, better in wins.items():
        names = [side, *order.format(side=side).split(", ")]
        columns += names
        sets += [f"{name} = CASE WHEN {better.format(side=side)} THEN excluded.{name} ELSE summary.{name} END" for name in names]
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO summary ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT (run, metric) DO UPDATE SET {', '.join(sets)}"


MERGE_SUMMARY = build_summary_upsert()


def summarize_points(run: int, points: Points, ids: dict[str, int]) -> Iterator[tuple[object, ...]]:
    """A row per metric of a batch."""
    order = cache(points.order_key)
    for metric, (places, values) in points.columns.items():
        first, last = values.item(0), values.item(-1)
        row = (
            run,
            ids[metric],
            len(values),
            nan_to_null(first),
            *order(places.item(0)),
            nan_to_null(last),
            *order(places.item(-1)),
        )
        yield (
            *row,
            *find_extreme(values, places, order, np.ndarray.argmin),
            *find_extreme(values, places, order, np.ndarray.argmax),
        )


def find_extreme(
    values: Floats, row_numbers: Ints, order: Callable[[int], PointOrder], find: Callable[[Floats], np.intp]
) -> tuple[object, ...]:
    """The least or the greatest number and where it is; NULLs if there is none."""
    at = find(values)
    value = values.item(at)
    if value != value:  # NaN counts as both the least and the greatest
        numbers = np.flatnonzero(~np.isnan(values))
        return find_extreme(values[numbers], row_numbers[numbers], order, find) if len(numbers) else (None,) * 4
    return (value, *order(row_numbers.item(at)))


def nan_to_null(value: float) -> float | None:
    """A float for SQL; NaN is NULL."""
    return None if value != value else value


MAX_TIME = 2**63 - 1
