"""Tables and JSON objects for the `tasuki run` commands."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tasuki.cli.shared.output import Table
from tasuki.clock import datetime_from_us

if TYPE_CHECKING:
    from tasuki.records import AlertRow, FileRow, HistoryRow, MetricSummary, ProgressRow, RunRow, StopRow

__all__ = [
    "alert_to_dict",
    "build_flat_table",
    "build_history_table",
    "build_list_cells",
    "build_run_tables",
    "compute_duration",
    "file_to_dict",
    "nan_if_none",
    "run_facts_to_dict",
    "run_to_dict",
    "select_key_metrics",
    "summary_to_dict",
]

KEY_METRIC_COUNT = 3


def build_list_cells(run: "RunRow") -> list[Any]:
    """Build a run's row in the list, without metrics."""
    return [run.name, run.id, run.status, run.points, datetime_from_us(run.created), compute_duration(run)]


def select_key_metrics(runs: "Iterable[Mapping[str, object]]", limit: int = KEY_METRIC_COUNT) -> list[str]:
    """The metrics that most runs have, but for those of the machine; of equals the first by name."""
    from tasuki.records import SYSTEM_METRIC_PREFIX

    counts = Counter(metric for metrics in runs for metric in metrics if not metric.startswith(SYSTEM_METRIC_PREFIX))
    return sorted(counts, key=lambda metric: (-counts[metric], metric))[:limit]


def build_run_tables(run: "RunRow", summaries: "Sequence[MetricSummary]", alerts: "Sequence[AlertRow]") -> list[Table]:
    """A run, for a person: a table of each thing that it has."""
    facts = run_facts_to_dict(run)
    facts |= facts.pop("environment")
    metrics = [
        (row.metric, row.n, nan_if_none(row.last), row.last_step, row.min, row.min_step, row.max, row.max_step) for row in summaries
    ]
    said = [(datetime_from_us(row.time), row.level, row.title, row.step, row.data) for row in alerts]
    tables = [
        Table(["fact", "value"], [fact for fact in facts.items() if fact[1] not in (None, [], "")], ["value"]),
        Table(["config", "value"], list(run.config.items()), ["value"]),
        Table(["metric", "n", "last", "step", "min", "step", "max", "step"], metrics),
        Table(["alert", "level", "title", "step", "data"], said, ["title", "data"]),
    ]
    return [table for table in tables if table.rows]


def build_flat_table(run: "RunRow", summaries: "Sequence[MetricSummary]", alerts: "Sequence[AlertRow]") -> Table:
    """A run, for a pipe: one field a line."""
    rows = list(run_facts_to_dict(run).items())
    rows += [(f"config.{key}", value) for key, value in run.config.items()]
    for summary in summaries:
        rows += [(f"metrics.{summary.metric}.{name}", value) for name, value in summary_to_dict(summary).items()]
    for place, alert in enumerate(alerts):
        rows += [(f"alerts.{place}.{name}", value) for name, value in alert_to_dict(alert).items()]
    return Table(["field", "value"], rows)


def build_history_table(calls: "Sequence[HistoryRow]", started_at: int | None = None) -> Table:
    """Build a table with a column per metric, in order of appearance, and the time of each call."""
    metrics = list(dict.fromkeys(metric for call in calls for metric in call.metrics))
    if started_at is None:
        times: list[Any] = [datetime_from_us(call.time) for call in calls]
    else:
        times = [timedelta(microseconds=call.time - started_at) for call in calls]
    rows = [[call.step, time, *map(call.metrics.get, metrics)] for call, time in zip(calls, times, strict=True)]
    return Table(["step", "time" if started_at is None else "after", *metrics], rows)


def run_to_dict(run: "RunRow") -> dict[str, Any]:
    """A run as JSON has it."""
    return run_facts_to_dict(run) | {"config": run.config}


def run_facts_to_dict(run: "RunRow") -> dict[str, Any]:
    """All that is known of a run but its config."""
    return {
        "id": run.id,
        "name": run.name,
        "project": run.project,
        "status": run.status,
        "reason": run.reason,
        "group": run.group,
        "tags": run.tags,
        "notes": run.notes,
        "attempt": run.attempt,
        "created": datetime_from_us(run.created),
        "updated": datetime_from_us(run.updated),
        "ended": None if run.ended is None else datetime_from_us(run.ended),
        "duration": compute_duration(run),
        "points": run.points,
        "lost": run.lost,
        "environment": run.environment,
        "stop": stop_to_dict(run.stop),
        "progress": progress_to_dict(run.progress),
    }


def stop_to_dict(stop: "StopRow | None") -> dict[str, Any] | None:
    """A request to stop as JSON has it."""
    return None if stop is None else {"asked": datetime_from_us(stop.time), "reason": stop.reason, "by": stop.by}


def progress_to_dict(progress: "ProgressRow | None") -> dict[str, Any] | None:
    """Return a run's progress for JSON."""
    if progress is None:
        return None
    facts = {"time": datetime_from_us(progress.time), "done": progress.done, "total": progress.total, "rate": progress.rate}
    return facts | {"left": None if progress.seconds_left is None else timedelta(seconds=progress.seconds_left)}


def summary_to_dict(summary: "MetricSummary") -> dict[str, Any]:
    """A metric's summary as JSON has it."""
    return {
        "n": summary.n,
        "first": nan_if_none(summary.first),
        "first_step": summary.first_step,
        "last": nan_if_none(summary.last),
        "last_step": summary.last_step,
        "last_time": datetime_from_us(summary.last_time),
        "min": summary.min,
        "min_step": summary.min_step,
        "max": summary.max,
        "max_step": summary.max_step,
    }


def alert_to_dict(alert: "AlertRow") -> dict[str, Any]:
    """An alert as JSON has it."""
    return {
        "id": alert.id,
        "time": datetime_from_us(alert.time),
        "level": alert.level,
        "title": alert.title,
        "text": alert.text,
        "reason": alert.reason,
        "metric": alert.metric,
        "value": alert.value,
        "step": alert.step,
        "data": alert.data,
    }


def file_to_dict(file: "FileRow") -> dict[str, Any]:
    """A file as JSON has it."""
    return {
        "id": file.id,
        "time": datetime_from_us(file.time),
        "name": file.name,
        "key": file.key,
        "step": file.step,
        "form": file.form,
        "caption": file.caption,
        "sha256": file.sha256,
        "size": file.size,
        "media_type": file.media_type,
    }


def nan_if_none(value: float | None) -> float:
    """A summary's first or last value: NaN is kept as None there."""
    return float("nan") if value is None else value


def compute_duration(run: "RunRow") -> timedelta:
    """Return how long the run has been recording, to its end or its latest record."""
    return timedelta(microseconds=(run.ended or run.updated) - run.created)
