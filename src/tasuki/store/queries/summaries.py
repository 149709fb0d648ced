"""Queries on metric summaries: of all or some runs and metrics, or of the best runs by one metric."""

import json
from collections.abc import Collection
from operator import attrgetter

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.records import MetricSummary
from tasuki.store.queries.runs import RunQueries
from tasuki.store.queries.statements import (
    BEST_STATEMENTS,
    SETTLED_SUMMARIES,
    SETTLED_SUMMARIES_OF_RUNS,
    SUMMARIES,
    SUMMARIES_OF_RUN,
    SUMMARIES_OF_RUNS,
    BestRuns,
)
from tasuki.store.series.summary_cache import SummaryCache

__all__ = ["SummaryQueries", "select_best_runs"]


class SummaryQueries(RunQueries):
    """Queries on metric summaries."""

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """Return the summaries by run and metric; with `top`, only those of the best runs, best first."""
        if top is not None and runs is None and metrics is not None and len(metrics) == 1:
            return self.find_best_runs(project, next(iter(metrics)), top)
        if metrics is None:
            found = self.all_summaries(project, runs)
        else:
            chosen = [None if names is None else json.dumps(list(names)) for names in (runs, metrics)]
            statement = SUMMARIES if runs is None else SUMMARIES_OF_RUNS
            found = [MetricSummary(*row) for row in self.db.execute(statement, (project, *chosen))]
        return found if top is None else select_best_runs(found, top)

    def all_summaries(self, project: str, runs: Collection[str] | None) -> list[MetricSummary]:
        """Return the summaries of all metrics: from the cache for settled runs, row by row for the others."""
        cache = SummaryCache(self.db)
        parameters = (project, None if runs is None else json.dumps(list(runs)))
        found: list[MetricSummary] = []
        for id, key, data in fetch_all(self.db, SETTLED_SUMMARIES if runs is None else SETTLED_SUMMARIES_OF_RUNS, parameters):
            if data is None:
                found += (MetricSummary(*row) for row in self.db.execute(SUMMARIES_OF_RUN, (key,)))
            else:
                found += cache.decode_summaries(id, data)
        return found

    def find_best_runs(self, project: str, metric: str, top: BestRuns) -> list[MetricSummary]:
        """Return the best runs by one metric, out of the top settled summaries and all unsettled ones."""
        id = fetch_one(self.db, "SELECT id FROM metric WHERE name = ?", (metric,))
        if id is None:
            return []
        statements = BEST_STATEMENTS[top.mode, top.by]
        nth = fetch_one(self.db, statements.nth_value, (project, *id, top.n - 1))
        bound = statements.default_bound if nth is None else nth[0]
        found = fetch_all(self.db, statements.better, (project, *id, bound))
        found += fetch_all(self.db, statements.equal, (project, *id, bound, top.n))
        found += fetch_all(self.db, statements.unsettled, (project, *id))
        found.sort(key=lambda row: row[:2])
        return select_best_runs([MetricSummary(*row[1:]) for row in found], top)


def select_best_runs(summaries: list[MetricSummary], top: BestRuns) -> list[MetricSummary]:
    """Return the best of `found`, which is ordered by creation time of the run; the first wins a tie."""
    present = [summary for summary in summaries if getattr(summary, top.by) is not None]
    return sorted(present, key=attrgetter(top.by), reverse=top.mode == "max")[: top.n]
