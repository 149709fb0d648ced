"""The backlog as SQL tables: `sync_queue` and `set_aside`."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from tasuki.records import Record, UnknownRecord
from tasuki.relay.backlog import pending_of, queues, records_of
from tasuki.settings import Settings

__all__ = ["View", "queue_views"]

View = tuple[Sequence[str], Iterable[tuple[str | int | None, ...]]]
"""Columns and rows."""


def queue_views(settings: Settings) -> dict[str, View]:
    """Return both tables by name. Their rows are computed when they are read."""
    return {"sync_queue": sync_queue(settings), "set_aside": set_aside(settings)}


def sync_queue(settings: Settings) -> View:
    """Table of pending records, a row each; times are microseconds UTC."""
    columns = ["id", "payload_json", "kind", "enqueued_at", "synced_at", "attempts", "last_error", "remote"]
    rows = (
        (
            f"{found.writer}:{found.offset}",
            as_json_text(found.record),
            kind_of(found.record),
            found.record.time if found.record else None,
            None,
            queue.standing.attempts,
            queue.standing.last_error,
            queue.remote,
        )
        for queue in queues(settings)
        for found in pending_of(settings, queue.remote)
    )
    return columns, rows


def set_aside(settings: Settings) -> View:
    """Table of dead letters, with the records themselves."""
    columns = ["remote", "project", "run", "writer", "start", "end", "reason", "time", "payload_json"]
    rows = (
        (queue.remote, *msgspec.structs.astuple(aside)[:7], as_json_text(found.record))
        for queue in queues(settings)
        for aside in queue.aside
        for found in records_of(settings, aside)
    )
    return columns, rows


def kind_of(record: Record | UnknownRecord | None) -> str | None:
    """Return the tag of a record."""
    if record is None:
        return None
    return record.kind if isinstance(record, UnknownRecord) else str(record.__struct_config__.tag)


def as_json_text(record: Record | UnknownRecord | None) -> str | None:
    """Return a record's fields as JSON."""
    return None if record is None else json.dumps(msgspec.structs.asdict(record), default=str)
