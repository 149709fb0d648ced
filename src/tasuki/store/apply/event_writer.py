"""Write change events, in the transaction that makes the change; keep them for a while."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec
import numpy as np

from tasuki.journal import Stream
from tasuki.records import (
    JOBS_PROJECT,
    Alert,
    File,
    LostCalls,
    Note,
    RunDeleted,
    RunProgress,
    RunStarted,
    RunStatus,
    RunUpdated,
    StopRequested,
    encode_json_number,
)
from tasuki.store.series.points import Points

__all__ = ["ALL_USERS", "MAX_EVENTS", "EventWriter"]

MAX_EVENTS = 20_000
ALL_USERS = "*"
"""The user of an event that is about no job of anybody's."""
MAX_DELTA_VALUES = 200
RUN_RECORDS = (RunStarted, RunUpdated, RunStatus, RunDeleted, RunProgress, LostCalls)


class EventWriter:
    """The events of one transaction."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str, str, int], str] = {}
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def add_record(self, stream: Stream, offset: int, record: object) -> None:
        """A record changed a run, or is an alert. A run that changed many times has changed once."""
        if isinstance(record, RUN_RECORDS):
            self.add_run_event(stream.project, stream.run)
        elif isinstance(record, StopRequested):
            self.add_run_event(stream.project, stream.run)
            self.add_event("stop", stream, {"attempt": record.attempt, "reason": record.reason, "by": record.by})
        elif isinstance(record, Alert):
            alert = {"id": f"{stream.writer}:{offset}", "level": record.level, "title": record.title}
            self.add_event("alert", stream, alert)
        elif isinstance(record, Note | File):
            self.counts[stream.project, stream.run, "note" if isinstance(record, Note) else "file"] += 1

    def add_run_event(self, project: str, run: str) -> None:
        """A run began, changed, ended or went."""
        self.events.setdefault((project, run, "run", 0), encode_json({"type": "run", "project": project, "run": run}))

    def add_points_event(self, stream: Stream, points: Points) -> None:
        """New values: themselves if they are few, else where they are."""
        self.add_event("points", stream, build_delta(points) if points.value_count <= MAX_DELTA_VALUES else build_extent(points))

    def add_job_event(self, user: str, content: dict[str, Any]) -> None:
        """A job changed, or a provider did."""
        self.events[JOBS_PROJECT, user, "job", len(self.events) + 1] = encode_json(content)

    def add_event(self, kind: str, stream: Stream, content: dict[str, Any]) -> None:
        """One more event."""
        head = {"type": kind, "project": stream.project, "run": stream.run}
        self.events[stream.project, stream.run, kind, len(self.events) + 1] = encode_json(head | content)

    def write(self, db: apsw.Connection) -> None:
        """Into the table, inside the transaction; the oldest go."""
        if self.events or self.counts:
            db.executemany("INSERT INTO event (project, run, type, data) VALUES (?, ?, ?, ?)", self.table_rows())
            db.execute("DELETE FROM event WHERE sequence <= ?", (db.last_insert_rowid() - MAX_EVENTS,))
            self.events.clear()
            self.counts.clear()

    def table_rows(self) -> Iterator[tuple[str, str, str, str]]:
        """A row per event."""
        for (project, run, kind, _), content in self.events.items():
            yield project, run, kind, content
        for (project, run, kind), n in self.counts.items():
            yield project, run, kind, encode_json({"type": kind, "project": project, "run": run, "n": n})


def encode_json(content: dict[str, Any]) -> str:
    """An event's data."""
    return msgspec.json.encode(content).decode()


def build_delta(points: Points) -> dict[str, Any]:
    """The values: `[step, time, value]` by metric."""
    steps, times = points.steps, points.clocks - points.lags
    found = {}
    for metric, (places, values) in points.columns.items():
        numbers: list[float | str] = values.tolist()
        if not np.isfinite(values).all():
            numbers = [encode_json_number(value) for value in values.tolist()]
        found[metric] = list(zip(steps[places].tolist(), times[places].tolist(), numbers, strict=True))
    return {"points": found}


def build_extent(points: Points) -> dict[str, Any]:
    """From which step to which there is something new, and of what."""
    return {"from_step": int(points.steps[0]), "to_step": int(points.steps[-1]), "metrics": sorted(points.columns)}
