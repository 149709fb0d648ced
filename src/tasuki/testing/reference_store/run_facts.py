"""Facts of one run's records, computed the plain way."""

import json
import math
from typing import Any

import numpy as np

from tasuki.errors import InvalidRecord
from tasuki.records import (
    Alert,
    File,
    JobRecord,
    LostCalls,
    Metrics,
    Note,
    Record,
    RunProgress,
    RunStarted,
    RunStatus,
    RunText,
    RunUpdated,
    Status,
    StopRequested,
    UnknownRecord,
    compute_note_digest,
    extract_content,
    get_note_text,
)

__all__ = ["PlacedRecord", "RunFacts"]

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
PlacedRecord = tuple[str, int, int, Record | UnknownRecord | InvalidRecord]
"""Writer, offset, clock, record."""
LogCall = tuple[tuple[int, int, str], int, dict[str, float]]
"""(step, clock, writer), time of the call, values."""


class RunFacts:
    """One run's records, read each time anew."""

    def __init__(self, records: list[PlacedRecord]) -> None:
        self.records = records

    def calls(self) -> list[LogCall]:
        """Every `log()` call, in order."""
        found = []
        for writer, _, clock, record in self.records:
            if (
                isinstance(record, Metrics)
                and MIN_INT64 <= record.step <= MAX_INT64
                and (values := flatten_numbers(record.values)[0])
            ):
                found.append(((record.step, clock, writer), record.time, values))
        return sorted(found, key=lambda call: call[0])

    def rejected_records(self) -> list[tuple[str, int, str]]:
        """Records that can't be projected, or not wholly."""
        found = []
        for writer, offset, _, record in self.records:
            if isinstance(record, InvalidRecord):
                found.append((writer, offset, record.message))
            elif isinstance(record, Metrics) and not MIN_INT64 <= record.step <= MAX_INT64:
                found.append((writer, offset, f"step {record.step} has more than 64 bits"))
            elif isinstance(record, Metrics) and (odd := flatten_numbers(record.values)[1]):
                found.append((writer, offset, f"no numbers: {', '.join(odd)}"))
        return found

    def invalid_records(self) -> list[tuple[str, int, str]]:
        """Records that are none."""
        return [(writer, offset, record.message) for writer, offset, _, record in self.records if isinstance(record, InvalidRecord)]

    def misplaced_job_records(self, *, is_jobs: bool) -> list[tuple[str, int, str]]:
        """Records of jobs that are not where those belong."""
        reason = "a record of a job outside of their journals"
        return [] if is_jobs else [(w, o, reason) for w, o, _, record in self.records if isinstance(record, JobRecord)]

    def notes(self) -> list[tuple[Any, ...]]:
        """Notes by stream and offset."""
        return [
            (
                writer, offset, clock, record.time, record.__struct_config__.tag, record.event_id, compute_note_digest(record),
                record.session, getattr(record, "category", None), get_note_text(record), encode_json(extract_content(record)),
            )
            for writer, offset, clock, record in self.records
            if isinstance(record, Note)
        ]  # fmt: skip

    def files(self) -> list[tuple[Any, ...]]:
        """Return the file records, by stream and offset."""
        return [
            (
                writer, offset, clock, record.time, record.path, record.key, record.step, record.form, record.caption,
                record.sha256, record.size, record.media_type, record.content,
            )
            for writer, offset, clock, record in self.records
            if isinstance(record, File)
        ]  # fmt: skip

    def dump(self) -> dict[str, Any]:
        """The run's part of a dump, but for its streams."""
        calls = self.calls()
        fields, tags = self.fields_and_tags()
        config = {name[7:]: json.loads(value) for name, (value, *_) in sorted(fields.items()) if name.startswith("config.")}
        shown = [json.loads(fields[name][0]) if name in fields else None for name in ("name", "group_name", "notes")]
        starts = [(clock, writer) for writer, _, clock, record in self.records if isinstance(record, RunStarted)]
        present = sorted(tag for tag, (is_there, *_) in tags.items() if is_there)
        return {
            "row": [
                *shown,
                encode_json(present) if tags else None,
                encode_json(config) if config else None,
                min(starts)[0] if starts else None,
                max((clock for _, _, clock, _ in self.records), default=None),
                sum(len(values) for *_, values in calls),
                sum(record.n for *_, record in self.records if isinstance(record, LostCalls)),
            ],
            "fields": [(name, *row) for name, row in sorted(fields.items())],
            "tags": [(tag, *row) for tag, row in sorted(tags.items())],
            **self.attempts(),
            **self.stops_and_progress(),
            "texts": self.texts(),
            "alerts": self.alerts(),
            "jobs": self.jobs(),
            "summaries": [build_summary(name, calls) for name in sorted({name for *_, values in calls for name in values})],
            "points": {name: build_points(name, calls) for name in sorted({name for *_, values in calls for name in values})},
        }

    def jobs(self) -> list[tuple[str, int, str]]:
        """The jobs that the run says it is made by, and when it said so first."""
        found: dict[str, tuple[int, str]] = {}
        for writer, _, clock, record in self.records:
            if isinstance(record, RunStarted) and isinstance(job := record.environment.get("job"), str):
                found[job] = min(found.get(job, (clock, writer)), (clock, writer))
        return [(job, *said) for job, said in sorted(found.items())]

    def fields_and_tags(self) -> tuple[dict[str, tuple[str, int, str]], dict[str, tuple[int, int, str]]]:
        """Fields and tags as the latest record that mentions each leaves them."""
        fields: dict[str, tuple[str, int, str]] = {}
        tags: dict[str, tuple[int, int, str]] = {}
        for writer, _, clock, record in sorted(self.records, key=lambda placed: (placed[2], placed[0])):
            if isinstance(record, (RunStarted, RunUpdated)):
                named = {"name": record.name, "group_name": record.group, "notes": record.notes}
                changed = {name: value for name, value in named.items() if value is not None}
                changed |= {f"config.{key}": value for key, value in record.config.items()}
                fields |= {name: (encode_json(value), clock, writer) for name, value in changed.items()}
                added = record.tags if isinstance(record, RunStarted) else record.tags_added
                removed = [] if isinstance(record, RunStarted) else record.tags_removed
                tags |= {tag: (1, clock, writer) for tag in added} | {tag: (0, clock, writer) for tag in removed}
        return fields, tags

    def attempts(self) -> dict[str, Any]:
        """Return attempts by first start and first end (or running), with the streams that they began in."""
        running: set[str] = set()
        starts: dict[str, list[tuple[int, str, str]]] = {}
        ends: dict[str, list[tuple[int, str, str, str | None]]] = {}
        writers: set[tuple[str, str]] = set()
        for writer, _, clock, record in self.records:
            if isinstance(record, RunStarted):
                starts.setdefault(record.attempt, []).append((clock, writer, encode_json(record.environment)))
                writers.add((record.attempt, writer))
            elif isinstance(record, RunStatus) and not record.status.is_final:
                running.add(record.attempt)
            elif isinstance(record, RunStatus):
                ends.setdefault(record.attempt, []).append((clock, writer, record.status, record.reason))
        rows = []
        for attempt in sorted(starts.keys() | ends.keys() | running):
            start = min(starts[attempt]) if attempt in starts else (None, None, None)
            said = Status.RUNNING if attempt in running else None
            ended, by, status, reason = min(ends[attempt], key=lambda end: end[:2]) if attempt in ends else (None, None, said, None)
            rows.append((attempt, *start, status, reason, ended, by))
        return {"attempts": rows, "attempt_writers": sorted(writers)}

    def stops_and_progress(self) -> dict[str, Any]:
        """The first request to stop of each attempt, and its latest progress."""
        stops: dict[str, tuple[Any, ...]] = {}
        progress: dict[str, tuple[Any, ...]] = {}
        for writer, _, clock, record in sorted(self.records, key=lambda placed: (placed[2], placed[0])):
            if isinstance(record, StopRequested):
                stops.setdefault(record.attempt, (record.reason, record.by, clock, writer))
            elif isinstance(record, RunProgress):
                progress[record.attempt] = (record.done, record.total, record.rate, clock, writer)
        return {
            name: [(attempt, *row) for attempt, row in sorted(found.items())]
            for name, found in (("stops", stops), ("progress", progress))
        }

    def texts(self) -> list[tuple[Any, ...]]:
        """Texts by stream and offset."""
        return [
            (writer, offset, clock, record.attempt, record.name, record.text)
            for writer, offset, clock, record in self.records
            if isinstance(record, RunText)
        ]

    def alerts(self) -> list[tuple[Any, ...]]:
        """Alerts by stream and offset."""
        return [
            (
                writer, offset, clock, record.time, record.level, record.title, record.text, record.reason, record.metric,
                "nan" if record.value is not None and math.isnan(record.value) else record.value, record.step,
                None if record.data is None else encode_json(record.data),
            )
            for writer, offset, clock, record in self.records
            if isinstance(record, Alert)
        ]  # fmt: skip


def build_summary(name: str, calls: list[LogCall]) -> tuple[Any, ...]:
    """One metric's summary."""
    found = [(order, values[name]) for order, _, values in calls if name in values]
    numbers = [(value, order) for order, value in found if not math.isnan(value)]
    row: list[Any] = [name, len(found)]
    for order, value in (found[0], found[-1]):
        row += [None if math.isnan(value) else value, *order]
    low = min(numbers, default=None)
    high = min(((-value, order) for value, order in numbers), default=None)
    row += [None] * 4 if low is None else [low[0], *low[1]]
    row += [None] * 4 if high is None else [-high[0], *high[1]]
    return tuple(row)


def build_points(name: str, calls: list[LogCall]) -> tuple[bytes, ...]:
    """One metric's points as a dump has them."""
    found = [(order, time, values[name]) for order, time, values in calls if name in values]
    return (
        np.array([step for (step, _, _), _, _ in found], np.int64).tobytes(),
        np.array([clock for (_, clock, _), _, _ in found], np.int64).tobytes(),
        "|".join(writer for (_, _, writer), _, _ in found).encode(),
        np.array([clock - time for (_, clock, _), time, _ in found], np.int64).tobytes(),
        np.array([math.nan if math.isnan(value) else value for _, _, value in found], np.float64).tobytes(),
    )


def flatten_numbers(values: dict[Any, Any], prefix: str = "") -> tuple[dict[str, float], list[str]]:
    """Numbers by joined names, and the names of what is none."""
    numbers: dict[str, float] = {}
    odd: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict):
            inner, inner_odd = flatten_numbers(value, f"{prefix}{key}/")
            numbers |= inner
            odd += inner_odd
        elif isinstance(value, (bool, int, float)):
            numbers[f"{prefix}{key}"] = float(value)
        else:
            odd.append(f"{prefix}{key}")
    return numbers, odd


def encode_json(value: Any) -> str:
    """JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
