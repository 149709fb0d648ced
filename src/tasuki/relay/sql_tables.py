"""The backlog as SQL tables: `build_sync_queue` and `set_aside`."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from tasuki.records import Record, UnknownRecord
from tasuki.relay.backlog import iter_dead_letter_records, iter_pending_records, list_backlogs
from tasuki.settings import Settings

__all__ = ["SqlTable", "build_backlog_tables"]

SqlTable = tuple[Sequence[str], Iterable[tuple[str | int | None, ...]]]
"""Columns and rows."""


def build_backlog_tables(settings: Settings) -> dict[str, SqlTable]:
    """Return both tables by name. Their rows are computed when they are read."""
    return {"sync_queue": build_sync_queue(settings), "set_aside": build_set_aside(settings)}


def build_sync_queue(settings: Settings) -> SqlTable:
    """Table of pending records, a row each; times are microseconds UTC."""
    columns = ["id", "payload_json", "kind", "enqueued_at", "synced_at", "attempts", "last_error", "remote"]
    rows = (
        (
            f"{found.writer}:{found.offset}",
            format_record_json(found.record),
            get_record_kind(found.record),
            found.record.time if found.record else None,
            None,
            queue.status.attempts,
            queue.status.last_error,
            queue.remote,
        )
        for queue in list_backlogs(settings)
        for found in iter_pending_records(settings, queue.remote)
    )
    return columns, rows


def build_set_aside(settings: Settings) -> SqlTable:
    """Table of dead letters, with the records themselves."""
    columns = ["remote", "project", "run", "writer", "start", "end", "reason", "time", "payload_json"]
    rows = (
        (queue.remote, *msgspec.structs.astuple(aside)[:7], format_record_json(found.record))
        for queue in list_backlogs(settings)
        for aside in queue.dead_letters
        for found in iter_dead_letter_records(settings, aside)
    )
    return columns, rows


def get_record_kind(record: Record | UnknownRecord | None) -> str | None:
    """Return the tag of a record."""
    if record is None:
        return None
    return record.kind if isinstance(record, UnknownRecord) else str(record.__struct_config__.tag)


def format_record_json(record: Record | UnknownRecord | None) -> str | None:
    """Return a record's fields as JSON."""
    return None if record is None else json.dumps(msgspec.structs.asdict(record), default=str)
