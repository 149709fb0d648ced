"""Read change events by sequence number."""

from typing import NamedTuple

import apsw

from tasuki.database.sqlite import one, rows

__all__ = ["ChangeEvent", "EventSpan", "event_span", "events_after"]


class ChangeEvent(NamedTuple):
    """One event: `data` is the JSON object that is sent. One of a job (its project is `JOBS`) is for its user alone."""

    sequence: int
    project: str
    run: str
    data: str

    @property
    def user(self) -> str:
        """Whose job it is about."""
        return self.run


class EventSpan(NamedTuple):
    """The first and the last event that are kept; (1, 0) before the first."""

    first: int
    last: int


def event_span(db: apsw.Connection) -> EventSpan:
    """Which events are kept."""
    first, last = one(db, "SELECT (SELECT min(sequence) FROM event), (SELECT max(sequence) FROM event)")
    return EventSpan(first or 1, last or 0)


def events_after(db: apsw.Connection, sequence: int, limit: int) -> list[ChangeEvent]:
    """The events behind `sequence`, in order."""
    statement = "SELECT sequence, project, run, data FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [ChangeEvent(*row) for row in rows(db, statement, (sequence, limit))]
