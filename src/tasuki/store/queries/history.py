"""A history as rows: what each call logged."""

from typing import NamedTuple

import numpy as np

from tasuki.records import HistoryRow
from tasuki.store.series.points import Column, PointOrder, Points

__all__ = ["HistoryPage", "history_rows"]

NO_COLUMN = Column(np.empty(0, np.int64), np.empty(0))


class HistoryPage(NamedTuple):
    """Some rows of a history, what the next page comes behind, and how many rows there are in all."""

    rows: list[HistoryRow]
    end: PointOrder | None
    total: int
    more: bool = False


def history_rows(points: Points) -> list[HistoryRow]:
    """A row per record."""
    times = (points.clocks - points.lags).tolist()
    columns = list(points.columns.items())
    name, column = columns[0] if columns else ("", NO_COLUMN)
    if len(column.values) == len(points):
        calls = [{name: value} for value in column.values.tolist()]
        columns = columns[1:]
    else:
        calls = [{} for _ in range(len(points))]
    for name, column in columns:
        for row, value in zip(column.rows.tolist(), column.values.tolist(), strict=True):
            calls[row][name] = value
    return [
        HistoryRow(step=step, time=time, metrics=values)
        for step, time, values in zip(points.steps.tolist(), times, calls, strict=True)
        if values
    ]
