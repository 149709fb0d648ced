"""Catching up: bringing the projection to where the streams are, in short transactions that let others in between."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import apsw

from tasuki.clock import SYSTEM, Clock
from tasuki.database.sqlite import immediate, rows
from tasuki.errors import StoreCorrupt
from tasuki.failpoints import reach
from tasuki.journal import Source, Stream
from tasuki.records import frames
from tasuki.store.projection import Projection

__all__ = ["CatchUpResult", "catch_up", "count_missing"]

READ_BYTES = TRANSACTION_BYTES = 4 * 1024 * 1024
TRANSACTION_SECONDS = 0.2
COUNTING_SECONDS = 0.2
EXPECTED_STREAMS = 256


class CatchUpResult(NamedTuple):
    """How far it came: records projected now, and records that were there at the start and are still missing."""

    records: int
    missing: int


def catch_up(
    db: apsw.Connection,
    source: Source,
    *,
    wait_seconds: float | None = None,
    clock: Clock = SYSTEM,
    progress: Callable[[int], None] = lambda _: None,
    missing: int = 0,
) -> CatchUpResult:
    """Project until every stream is projected as far as it reached when this was called, or the time is over.

    Others may project at the same time. What is torn, damaged or still being written is left for later, and is not missing.
    `missing` were a moment ago: when nothing can be projected now, they are not counted again.
    """
    sealed = {writer for (writer,) in rows(db, "SELECT id FROM writer WHERE sealed")}
    behind = {stream.writer: stream for stream in source.streams(sealed)}
    deadline = None if wait_seconds is None else clock.monotonic() + wait_seconds
    records = 0
    while behind:
        left = None if deadline is None else deadline - clock.monotonic()
        if left is not None and left <= 0:
            break
        db.set_busy_timeout(60_000 if left is None else int(left * 1000) + 1)
        try:
            with immediate(db):
                records += transaction(Projection(db), source, behind, clock)
        except apsw.BusyError:
            continue
        reach("projection.after_commit")
        progress(records)
    if behind and missing and not records:
        return CatchUpResult(0, missing)
    return CatchUpResult(records, records_behind(db, source, behind.values(), clock))


def count_missing(db: apsw.Connection, source: Source, *, clock: Clock = SYSTEM) -> int:
    """How many records there are that are not projected; nothing is projected here."""
    sealed = {writer for (writer,) in rows(db, "SELECT id FROM writer WHERE sealed")}
    return records_behind(db, source, source.streams(sealed), clock)


def transaction(projection: Projection, source: Source, behind: dict[str, Stream], clock: Clock) -> int:
    """Project some of what is behind; streams that are as far as they can be leave `behind`. Returns the number of records."""
    until = clock.monotonic() + TRANSACTION_SECONDS
    records = size = 0
    streams = list(behind.values())
    for number, stream in enumerate(streams):
        if number % EXPECTED_STREAMS == 0:
            projection.expect(streams[number : number + EXPECTED_STREAMS])
        writer = stream.writer
        before = projection.progress(writer)
        if stream.sealed and stream.size < before.offset:
            raise StoreCorrupt(
                f"stream {writer} ends at {stream.size} since it was salvaged, {before.offset} bytes of it are projected"
            )
        data = source.read(writer, before.offset, READ_BYTES) if before.offset < stream.size else b""
        if data or (stream.sealed and not before.sealed):
            projection.add(stream, data)
        after = projection.progress(writer)
        records += after.records - before.records
        size += len(data)
        if not data or after.offset >= stream.size:
            del behind[writer]
            if after.sealed and not before.sealed:
                projection.end(stream)
        if size >= TRANSACTION_BYTES or clock.monotonic() > until:
            break
    projection.write()
    reach("projection.before_commit")
    return records


def records_behind(db: apsw.Connection, source: Source, streams: Iterable[Stream], clock: Clock) -> int:
    """How many whole records of some streams are not projected. Of those that can't be counted in time, by their bytes, about."""
    deadline = clock.monotonic() + COUNTING_SECONDS
    projection = Projection(db)
    records = size = left = 0
    late = False
    for stream in streams:
        offset = projection.progress(stream.writer).offset
        while offset < stream.size and not late and (data := source.read(stream.writer, offset, READ_BYTES)):
            records += sum(1 for _ in frames(data))
            size += len(data)
            offset += len(data)
            late = clock.monotonic() >= deadline
        if late:
            left += max(0, stream.size - offset)
    return records + (left * records // size if size else int(left > 0))
