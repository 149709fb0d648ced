"""Catch up: project new records in short transactions, so that other writers get their turn."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.database.sqlite import fetch_all, write_transaction
from tasuki.errors import StoreCorrupt
from tasuki.failpoints import hit_failpoint
from tasuki.journal import Source, Stream
from tasuki.records import iterate_frames
from tasuki.store.projection import Projection

__all__ = ["CatchUpResult", "catch_up", "count_missing"]

READ_BYTES = TRANSACTION_BYTES = 4 * 1024 * 1024
TRANSACTION_SECONDS = 0.2
MAX_COUNT_SECONDS = 0.2
PREFETCH_STREAMS = 256


class CatchUpResult(NamedTuple):
    """Result of catching up: records projected now, and records that are still missing."""

    records: int
    missing: int


def catch_up(
    db: apsw.Connection,
    source: Source,
    *,
    wait_seconds: float | None = None,
    clock: Clock = SYSTEM_CLOCK,
    progress: Callable[[int], None] = lambda _: None,
    previous_missing: int = 0,
) -> CatchUpResult:
    """Project every stream up to its length at the time of the call, or until the time is over.

    Others may project at the same time. What is torn, damaged or still being written is left for later, and is not missing.
    `missing` were a moment ago: when nothing can be projected now, they are not counted again.
    """
    sealed = {writer for (writer,) in fetch_all(db, "SELECT id FROM writer WHERE sealed")}
    behind = {stream.writer: stream for stream in source.streams(sealed)}
    deadline = None if wait_seconds is None else clock.monotonic() + wait_seconds
    records = 0
    while behind:
        left = None if deadline is None else deadline - clock.monotonic()
        if left is not None and left <= 0:
            break
        db.set_busy_timeout(60_000 if left is None else int(left * 1000) + 1)
        try:
            with write_transaction(db):
                records += project_batch(Projection(db), source, behind, clock)
        except apsw.BusyError:
            continue
        hit_failpoint("projection.after_commit")
        progress(records)
    if behind and previous_missing and not records:
        return CatchUpResult(0, previous_missing)
    return CatchUpResult(records, count_records_behind(db, source, behind.values(), clock))


def count_missing(db: apsw.Connection, source: Source, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Count the records that are not projected, without projecting any."""
    sealed = {writer for (writer,) in fetch_all(db, "SELECT id FROM writer WHERE sealed")}
    return count_records_behind(db, source, source.streams(sealed), clock)


def project_batch(projection: Projection, source: Source, pending_streams: dict[str, Stream], clock: Clock) -> int:
    """Project part of the backlog; remove finished streams from `behind`. Return the number of records."""
    until = clock.monotonic() + TRANSACTION_SECONDS
    records = size = 0
    streams = list(pending_streams.values())
    for number, stream in enumerate(streams):
        if number % PREFETCH_STREAMS == 0:
            projection.prefetch(streams[number : number + PREFETCH_STREAMS])
        writer = stream.writer
        before = projection.position(writer)
        if stream.is_sealed and stream.size < before.offset:
            raise StoreCorrupt(
                f"stream {writer} ends at {stream.size} since it was salvaged, {before.offset} bytes of it are projected"
            )
        data = source.read(writer, before.offset, READ_BYTES) if before.offset < stream.size else b""
        if data or (stream.is_sealed and not before.is_sealed):
            projection.add_frames(stream, data)
        after = projection.position(writer)
        records += after.records - before.records
        size += len(data)
        if not data or after.offset >= stream.size:
            del pending_streams[writer]
            if after.is_sealed and not before.is_sealed:
                projection.complete_stream(stream)
        if size >= TRANSACTION_BYTES or clock.monotonic() > until:
            break
    projection.write()
    hit_failpoint("projection.before_commit")
    return records


def count_records_behind(db: apsw.Connection, source: Source, streams: Iterable[Stream], clock: Clock) -> int:
    """Count the unprojected whole records of some streams; estimate by size those that take too long."""
    deadline = clock.monotonic() + MAX_COUNT_SECONDS
    projection = Projection(db)
    records = size = left = 0
    late = False
    for stream in streams:
        offset = projection.position(stream.writer).offset
        while offset < stream.size and not late and (data := source.read(stream.writer, offset, READ_BYTES)):
            records += sum(1 for _ in iterate_frames(data))
            size += len(data)
            offset += len(data)
            late = clock.monotonic() >= deadline
        if late:
            left += max(0, stream.size - offset)
    return records + (left * records // size if size else int(left > 0))
