"""Results of tools: plain JSON, small enough for an agent to read whole."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from tasuki.clock import datetime_from_us
from tasuki.records import AlertRow, MetricSummary, NoteRow, RunRow, encode_json_number, make_json_safe
from tasuki.store import Series

__all__ = [
    "build_list_result",
    "describe_alert",
    "describe_note",
    "describe_run",
    "describe_summary",
    "downsample",
    "format_time",
    "limit_size",
    "truncate",
]

MAX_TEXT_CHARACTERS = 500
MAX_VALUE_BYTES = 2_000
MAX_LIST_BYTES = 60_000


def build_list_result(name: str, rows: Sequence[dict[str, Any]], total: int | None = None, **extra_fields: Any) -> dict[str, Any]:
    """Rows, as many as there is room for; how many there are in all, and how many of them are not shown."""
    kept, size = [], 0
    for row in rows:
        size += len(msgspec.json.encode(row))
        if size > MAX_LIST_BYTES:
            break
        kept.append(row)
    total = len(rows) if total is None else total
    return {name: kept, "total": total, "not_shown": total - len(kept), **extra_fields}


def describe_run(run: RunRow, summaries: Iterable[MetricSummary] = ()) -> dict[str, Any]:
    """A run in short: what it is, how it is, and the last values of some metrics."""
    return {
        "id": run.id,
        "name": truncate(run.name),
        "status": run.status,
        "reason": run.reason and truncate(run.reason),
        "attempt": run.attempt,
        "created": format_time(run.created),
        "seconds": round(((run.ended or run.updated) - run.created) / 1_000_000, 3),
        "points": run.points,
        "progress": run.progress
        and {"done": run.progress.done, "total": run.progress.total, "seconds_left": run.progress.seconds_left},
        "tags": [truncate(tag) for tag in run.tags[:20]],
        "group": run.group and truncate(run.group),
        "last": {summary.metric: to_json_number(summary.last) for summary in summaries},
    }


def describe_summary(summary: MetricSummary) -> dict[str, Any]:
    """One metric of one run."""
    return {
        "n": summary.n,
        "first": to_json_number(summary.first),
        "last": to_json_number(summary.last),
        "last_step": summary.last_step,
        "min": summary.min,
        "min_step": summary.min_step,
        "max": summary.max,
        "max_step": summary.max_step,
    }


def describe_alert(row: AlertRow) -> dict[str, Any]:
    """An alert. Its id is where to go on from."""
    return {
        "id": row.id,
        "run": row.run,
        "run_name": truncate(row.run_name),
        "time": format_time(row.time),
        "level": row.level,
        "reason": row.reason,
        "title": truncate(row.title),
        "text": row.text and truncate(row.text),
        "metric": row.metric,
        "value": None if row.value is None else encode_json_number(row.value),
        "step": row.step,
        "data": limit_size(row.data),
    }


def describe_note(row: NoteRow) -> dict[str, Any]:
    """A note."""
    return {
        "event_id": row.event_id,
        "kind": row.kind,
        "run": row.run or None,
        "time": format_time(row.time),
        "session": row.session,
        "category": row.category,
        "text": truncate(row.text),
        "content": limit_size(row.content),
        "conflict": row.conflict,
    }


def downsample(series: Series, max_columns: int) -> dict[str, Any]:
    """Downsample a series to at most `max_columns` columns, with exact min, max, and last of each."""
    n = len(series.steps)
    starts = np.unique(np.linspace(0, n, min(max_columns, n), endpoint=False).astype(np.int64))
    ends = np.append(starts[1:], n) - 1
    nan = np.add.reduceat(np.isnan(series.values), starts) if n else starts
    return {
        "n": n,
        "from_step": series.steps[starts].tolist(),
        "to_step": series.steps[ends].tolist(),
        "min": to_json_numbers(np.fmin.reduceat(series.values, starts) if n else series.values),
        "max": to_json_numbers(np.fmax.reduceat(series.values, starts) if n else series.values),
        "last": to_json_numbers(series.values[ends]),
        "nan": nan.tolist(),
    }


def to_json_numbers(values: Any) -> list[float | str | None]:
    """For JSON: NaN as it is written there."""
    return [encode_json_number(value) for value in values.tolist()]


def to_json_number(value: float | None) -> float | str:
    """A summary's first or last value: NaN is kept as None there."""
    return "NaN" if value is None else encode_json_number(value)


def format_time(time: int) -> str:
    """ISO 8601, UTC, to the second."""
    return datetime_from_us(time).isoformat(timespec="seconds").replace("+00:00", "Z")


def truncate(text: str) -> str:
    """A text that is not too long."""
    return text if len(text) <= MAX_TEXT_CHARACTERS else f"{text[: MAX_TEXT_CHARACTERS - 1]}…"


def limit_size(value: Any) -> Any:
    """Anything, or, if it is too large, how large it is."""
    safe = make_json_safe(value)
    size = len(msgspec.json.encode(safe))
    return safe if size <= MAX_VALUE_BYTES else {"left_out_bytes": size}
