"""Events: what changed, for those who watch. They are written in the transaction that changed it and kept for a while."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec
import numpy as np

from tasuki.journal import Stream
from tasuki.records import (
    JOBS,
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
    json_number,
)
from tasuki.store.series.points import Points

__all__ = ["EVERYBODYS", "KEPT_EVENTS", "EventWriter"]

KEPT_EVENTS = 20_000
EVERYBODYS = "*"
"""The user of an event that is about no job of anybody's."""
DELTA_VALUES = 200
OF_RUN = (RunStarted, RunUpdated, RunStatus, RunDeleted, RunProgress, LostCalls)


class EventWriter:
    """The events of one transaction."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, str, int], str] = {}
        self.counted: Counter[tuple[str, str, str]] = Counter()

    def tell(self, stream: Stream, offset: int, record: object) -> None:
        """A record changed a run, or is an alert. A run that changed many times has changed once."""
        if isinstance(record, OF_RUN):
            self.tell_run(stream.project, stream.run)
        elif isinstance(record, StopRequested):
            self.tell_run(stream.project, stream.run)
            self.add("stop", stream, {"attempt": record.attempt, "reason": record.reason, "by": record.by})
        elif isinstance(record, Alert):
            alert = {"id": f"{stream.writer}:{offset}", "level": record.level, "title": record.title}
            self.add("alert", stream, alert)
        elif isinstance(record, Note | File):
            self.counted[stream.project, stream.run, "note" if isinstance(record, Note) else "file"] += 1

    def tell_run(self, project: str, run: str) -> None:
        """A run began, changed, ended or went."""
        self.found.setdefault((project, run, "run", 0), json({"type": "run", "project": project, "run": run}))

    def tell_points(self, stream: Stream, points: Points) -> None:
        """New values: themselves if they are few, else where they are."""
        self.add("points", stream, delta(points) if points.values <= DELTA_VALUES else extent(points))

    def tell_job(self, user: str, content: dict[str, Any]) -> None:
        """A job changed, or a provider did."""
        self.found[JOBS, user, "job", len(self.found) + 1] = json(content)

    def add(self, kind: str, stream: Stream, content: dict[str, Any]) -> None:
        """One more event."""
        head = {"type": kind, "project": stream.project, "run": stream.run}
        self.found[stream.project, stream.run, kind, len(self.found) + 1] = json(head | content)

    def write(self, db: apsw.Connection) -> None:
        """Into the table, inside the transaction; the oldest go."""
        if self.found or self.counted:
            db.executemany("INSERT INTO event (project, run, type, data) VALUES (?, ?, ?, ?)", self.table_rows())
            db.execute("DELETE FROM event WHERE sequence <= ?", (db.last_insert_rowid() - KEPT_EVENTS,))
            self.found.clear()
            self.counted.clear()

    def table_rows(self) -> Iterator[tuple[str, str, str, str]]:
        """A row per event."""
        for (project, run, kind, _), content in self.found.items():
            yield project, run, kind, content
        for (project, run, kind), n in self.counted.items():
            yield project, run, kind, json({"type": kind, "project": project, "run": run, "n": n})


def json(content: dict[str, Any]) -> str:
    """An event's data."""
    return msgspec.json.encode(content).decode()


def delta(points: Points) -> dict[str, Any]:
    """The values: `[step, time, value]` by metric."""
    steps, times = points.steps, points.clocks - points.lags
    found = {}
    for metric, (places, values) in points.columns.items():
        numbers: list[float | str] = values.tolist()
        if not np.isfinite(values).all():
            numbers = [json_number(value) for value in values.tolist()]
        found[metric] = list(zip(steps[places].tolist(), times[places].tolist(), numbers, strict=True))
    return {"points": found}


def extent(points: Points) -> dict[str, Any]:
    """From which step to which there is something new, and of what."""
    return {"from_step": int(points.steps[0]), "to_step": int(points.steps[-1]), "metrics": sorted(points.columns)}
