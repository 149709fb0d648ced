"""Answers that are made of several: the best runs, runs side by side, and what differs between two."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tasuki.errors import ConfigError, NotFound
from tasuki.records import SYSTEM_METRIC_PREFIX, MetricSummary, RunRow
from tasuki.store import BestRuns, Query, suggest_names

__all__ = ["Comparison", "RankedRun", "build_comparison", "find_differing_keys", "parse_ranking", "rank_runs"]

RANKING_MODES = ("min", "max")
RANKING_VALUES = ("last", "min", "max")


class RankedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One of the best runs: its place, from 1, and the value that it has it for."""

    rank: int
    run: RunRow
    value: float
    step: int
    summary: MetricSummary


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Runs side by side: the metrics that are compared, and the summaries by run id and metric."""

    runs: list[RunRow]
    metrics: list[str]
    summaries: dict[str, dict[str, MetricSummary]]


def parse_ranking(n: int, mode: str, by: str) -> BestRuns:
    """Parse the ranking options. Raise ConfigError if they are invalid."""
    if mode not in RANKING_MODES:
        raise ConfigError(f"there is no mode {mode!r}", hint=f"one of {', '.join(RANKING_MODES)}")
    if by not in RANKING_VALUES:
        raise ConfigError(f"runs can't be ranked by {by!r}", hint=f"one of {', '.join(RANKING_VALUES)}")
    if n < 1:
        raise ConfigError(f"the best {n} are none", hint="1 or more")
    return BestRuns(n, "min" if mode == "min" else "max", "last" if by == "last" else "min" if by == "min" else "max")


def rank_runs(query: Query, project: str, metric: str, top: BestRuns) -> list[RankedRun]:
    """Rank runs by a metric, best first, without those where it is NaN. Raise NotFound if no run has it."""
    summaries = query.summaries(project, metrics=[metric], top=top)
    if not summaries:
        check_metrics(query, project, [metric])
        return []
    runs = query.runs_by_ref(project, [summary.run for summary in summaries])
    return [
        RankedRun(rank=rank, run=run, value=getattr(summary, top.by), step=getattr(summary, f"{top.by}_step"), summary=summary)
        for rank, (run, summary) in enumerate(zip(runs, summaries, strict=True), 1)
    ]


def check_metrics(query: Query, project: str, metrics: Iterable[str]) -> None:
    """NotFound, with the nearest there are, for a metric that no run of the project has."""
    names = [found.metric for found in query.overview(project).metrics]
    for metric in metrics:
        if metric not in names:
            hint = suggest_names(metric, names) if names else "nothing is logged yet"
            raise NotFound(f"no run of project {project!r} has a metric {metric!r}", hint=hint)


def build_comparison(query: Query, project: str, refs: Sequence[str], metrics: Sequence[str] | None = None) -> Comparison:
    """Compare runs, each once, in the given order. Raise NotFound for an unknown run or metric.

    Without `metrics` all that any of them has are compared, but for those of the machine.
    """
    runs = list({run.id: run for run in query.runs_by_ref(project, refs)}.values())
    found: dict[str, dict[str, MetricSummary]] = {run.id: {} for run in runs}
    for summary in query.summaries(project, [run.id for run in runs], metrics):
        found[summary.run][summary.metric] = summary
    logged = {metric for of_run in found.values() for metric in of_run}
    if metrics is not None and not logged.issuperset(metrics):
        check_metrics(query, project, [metric for metric in metrics if metric not in logged])
    shown = (
        sorted(metric for metric in logged if not metric.startswith(SYSTEM_METRIC_PREFIX))
        if metrics is None
        else dict.fromkeys(metrics)
    )
    return Comparison(runs=runs, metrics=list(shown), summaries=found)


def find_differing_keys(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The keys of which not all have the same value, in the order in which they appear."""
    keys = dict.fromkeys(key for config in configs for key in config)
    missing = object()
    return [key for key in keys if any(config.get(key, missing) != configs[0].get(key, missing) for config in configs)]
