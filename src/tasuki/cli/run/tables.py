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
    "alert_data",
    "duration",
    "facts_of",
    "file_data",
    "flat_table",
    "history_table",
    "key_metrics",
    "list_cells",
    "number",
    "run_data",
    "show_tables",
    "summary_data",
]

KEY_METRICS = 3


def list_cells(run: "RunRow") -> list[Any]:
    """What the list says of a run, but for its metrics."""
    return [run.name, run.id, run.status, run.points, datetime_from_us(run.created), duration(run)]


def key_metrics(runs: "Iterable[Mapping[str, object]]", most: int = KEY_METRICS) -> list[str]:
    """The metrics that most runs have, but for those of the machine; of equals the first by name."""
    from tasuki.records import MACHINE

    counts = Counter(metric for metrics in runs for metric in metrics if not metric.startswith(MACHINE))
    return sorted(counts, key=lambda metric: (-counts[metric], metric))[:most]


def show_tables(run: "RunRow", summaries: "Sequence[MetricSummary]", alerts: "Sequence[AlertRow]") -> list[Table]:
    """A run, for a person: a table of each thing that it has."""
    facts = facts_of(run)
    facts |= facts.pop("environment")
    metrics = [
        (row.metric, row.n, number(row.last), row.last_step, row.min, row.min_step, row.max, row.max_step) for row in summaries
    ]
    said = [(datetime_from_us(row.time), row.level, row.title, row.step, row.data) for row in alerts]
    tables = [
        Table(["fact", "value"], [fact for fact in facts.items() if fact[1] not in (None, [], "")], ["value"]),
        Table(["config", "value"], list(run.config.items()), ["value"]),
        Table(["metric", "n", "last", "step", "min", "step", "max", "step"], metrics),
        Table(["alert", "level", "title", "step", "data"], said, ["title", "data"]),
    ]
    return [table for table in tables if table.rows]


def flat_table(run: "RunRow", summaries: "Sequence[MetricSummary]", alerts: "Sequence[AlertRow]") -> Table:
    """A run, for a pipe: one field a line."""
    rows = list(facts_of(run).items())
    rows += [(f"config.{key}", value) for key, value in run.config.items()]
    for summary in summaries:
        rows += [(f"metrics.{summary.metric}.{name}", value) for name, value in summary_data(summary).items()]
    for place, alert in enumerate(alerts):
        rows += [(f"alerts.{place}.{name}", value) for name, value in alert_data(alert).items()]
    return Table(["field", "value"], rows)


def history_table(calls: "Sequence[HistoryRow]", began: int | None = None) -> Table:
    """A column per metric, in the order in which they appear; when each call was, or how long after the run began."""
    metrics = list(dict.fromkeys(metric for call in calls for metric in call.metrics))
    if began is None:
        times: list[Any] = [datetime_from_us(call.time) for call in calls]
    else:
        times = [timedelta(microseconds=call.time - began) for call in calls]
    rows = [[call.step, time, *map(call.metrics.get, metrics)] for call, time in zip(calls, times, strict=True)]
    return Table(["step", "time" if began is None else "after", *metrics], rows)


def run_data(run: "RunRow") -> dict[str, Any]:
    """A run as JSON has it."""
    return facts_of(run) | {"config": run.config}


def facts_of(run: "RunRow") -> dict[str, Any]:
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
        "duration": duration(run),
        "points": run.points,
        "lost": run.lost,
        "environment": run.environment,
        "stop": stop_data(run.stop),
        "progress": progress_data(run.progress),
    }


def stop_data(stop: "StopRow | None") -> dict[str, Any] | None:
    """A request to stop as JSON has it."""
    return None if stop is None else {"asked": datetime_from_us(stop.time), "reason": stop.reason, "by": stop.by}


def progress_data(progress: "ProgressRow | None") -> dict[str, Any] | None:
    """How far a run had come as JSON has it."""
    if progress is None:
        return None
    facts = {"time": datetime_from_us(progress.time), "done": progress.done, "total": progress.total, "rate": progress.rate}
    return facts | {"left": None if progress.left is None else timedelta(seconds=progress.left)}


def summary_data(summary: "MetricSummary") -> dict[str, Any]:
    """A metric's summary as JSON has it."""
    return {
        "n": summary.n,
        "first": number(summary.first),
        "first_step": summary.first_step,
        "last": number(summary.last),
        "last_step": summary.last_step,
        "last_time": datetime_from_us(summary.last_time),
        "min": summary.min,
        "min_step": summary.min_step,
        "max": summary.max,
        "max_step": summary.max_step,
    }


def alert_data(alert: "AlertRow") -> dict[str, Any]:
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


def file_data(file: "FileRow") -> dict[str, Any]:
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


def number(value: float | None) -> float:
    """A summary's first or last value: NaN is kept as None there."""
    return float("nan") if value is None else value


def duration(run: "RunRow") -> timedelta:
    """How long the run has been recording, to its end or its latest record."""
    return timedelta(microseconds=(run.ended or run.updated) - run.created)
