"""Queries on the metrics of one run: history rows, pages of them, series, and charts."""

from typing import NamedTuple

import numpy as np

from tasuki.errors import NotFound
from tasuki.records import HistoryRow
from tasuki.store.queries.suggestions import suggest_names
from tasuki.store.queries.summaries import SummaryQueries
from tasuki.store.series.chart_reader import ChartReader, open_chart_reader
from tasuki.store.series.points import Column, PointOrder, Points, Series
from tasuki.store.series.read import count_records, read_page, read_points, read_series

__all__ = ["HistoryPage", "HistoryQueries", "build_history_rows"]

NO_COLUMN = Column(np.empty(0, np.int64), np.empty(0))


class HistoryPage(NamedTuple):
    """A page of history rows, the cursor of the next page, and the total number of rows."""

    rows: list[HistoryRow]
    next_cursor: PointOrder | None
    total: int
    has_more: bool = False


class HistoryQueries(SummaryQueries):
    """Queries on the metrics of one run."""

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """Return the logged values of a run, by (step, time)."""
        points = self.points(project, run, metric)
        return [] if points is None else build_history_rows(points)

    def history_page(
        self, project: str, run: str, metric: str | None, *, limit: int, after: PointOrder | None = None
    ) -> HistoryPage:
        """Return at most `limit` history rows after the cursor `behind`."""
        key = self.run_key(project, run)
        total = count_records(self.db, key, metric)
        if metric is not None and not total:
            raise self.make_no_metric_error(project, run, metric)
        points = read_page(self.db, key, metric, limit, after)
        if points is None:
            return HistoryPage([], None, total)
        stop = min(limit, len(points))
        return HistoryPage(build_history_rows(points.rows_between(0, stop)), points.order_key(stop - 1), total, stop < len(points))

    def series(self, project: str, run: str, metric: str) -> Series:
        """Return the points of one metric. Raise NotFound if the run has not logged it."""
        found = read_series(self.db, self.run_key(project, run), metric)
        if found is None:
            raise self.make_no_metric_error(project, run, metric)
        return found

    def chart_reader(
        self, project: str, run: str, metric: str, first: int | None = None, last: int | None = None
    ) -> ChartReader | None:
        """Return a chart reader for at least the steps `first` to `last`; None for an unlogged metric."""
        return open_chart_reader(self.db, self.run_key(project, run), metric, first, last)

    def points(self, project: str, run: str, metric: str | None) -> Points | None:
        """Return all points of a run, or of one metric. Raise NotFound for an unlogged metric."""
        points = read_points(self.db, self.run_key(project, run), metric)
        if points is None and metric is not None:
            raise self.make_no_metric_error(project, run, metric)
        return points

    def make_no_metric_error(self, project: str, run: str, metric: str) -> NotFound:
        """Build the error for a metric that a run has not logged, with similar metrics as the hint."""
        names = [summary.metric for summary in self.summaries(project, [self.run_id(project, run)])]
        return NotFound(f"run {run!r} has no metric {metric!r}", hint=suggest_names(metric, names) if names else "it has none yet")


def build_history_rows(points: Points) -> list[HistoryRow]:
    """Return one row per record with at least one value."""
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
