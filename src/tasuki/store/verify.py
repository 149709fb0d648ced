"""Verify: journals against checksums, positions against journals, the projection against a fresh one."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import NamedTuple

import apsw
from zlib_ng.zlib_ng import crc32

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.journal import JournalFileInfo, JournalFolder, Liveness, Source, Stream, find_damage
from tasuki.records import MAX_ITEM_BYTES, START, Position, iterate_frames
from tasuki.store.catch_up import catch_up
from tasuki.store.generations import connect_projection
from tasuki.store.logical_dump import Dump, dump
from tasuki.store.raw_store import RawStore

__all__ = ["IntegrityProblem", "VerifyReport", "verify"]


class IntegrityProblem(NamedTuple):
    """Something that is not as it was recorded. `offset` is None where a run as a whole is meant."""

    project: str
    run: str
    writer: str | None
    offset: int | None
    description: str


class VerifyReport(NamedTuple):
    """Result of a verification: the counts, and the problems found."""

    writers: int
    records: int
    problems: list[IntegrityProblem]


class CutOffSource:
    """A source cut off where a projection stands, so that both can be compared while records arrive."""

    def __init__(self, db: apsw.Connection, source: Source) -> None:
        self.source = source
        found = fetch_all(db, 'SELECT id, project, run, "offset", sealed FROM writer')
        self.projected_streams = [Stream(writer, project, run, size, bool(sealed)) for writer, project, run, size, sealed in found]
        self.end_offsets = {stream.writer: stream.size for stream in self.projected_streams}

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """The streams, as long as they are projected."""
        return (stream for stream in self.projected_streams if stream.writer not in exclude)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset` that are projected."""
        return self.source.read(writer, offset, limit_bytes)[: self.end_offsets[writer] - offset]

    def check_liveness(self, writer: str) -> Liveness:
        """As the source says."""
        return self.source.check_liveness(writer)

    def close(self) -> None:
        """The source is somebody else's to close."""


def verify(
    db: apsw.Connection,
    folder: JournalFolder,
    raw_store: RawStore | None,
    source: Source,
    existing_writers: Collection[str],
    progress: Callable[[int], None] = lambda _: None,
) -> VerifyReport:
    """Check everything. The connection is in a read transaction, caught up to the journals at its start.

    `caught_up` are the writers whose journals were there before the projection was caught up: others may not be projected yet.
    """
    problems: list[IntegrityProblem] = []
    writers = records = 0
    journals = (check_journal(db, folder, journal, existing_writers) for journal in folder.journals())
    streams = (check_received_stream(raw_store, stream) for stream in raw_store.streams()) if raw_store else ()
    for found, problem in chain(journals, streams):
        writers, records = writers + 1, records + found
        problems += problem
        progress(records)
    problems += [IntegrityProblem("", "", path.stem, None, f"{path}: {reason}") for path, reason in folder.unreadable_journals()]
    problems += [
        IntegrityProblem("", "", path.stem, None, f"damage was found here once; the original is {path}")
        for path in folder.damaged_files()
    ]
    return VerifyReport(writers, records, problems + check_projection(db, source))


def check_journal(
    db: apsw.Connection, folder: JournalFolder, journal: JournalFileInfo, existing_writers: Collection[str]
) -> tuple[int, list[IntegrityProblem]]:
    """One journal: its frames, its seal, and the position up to which it is projected."""
    header, records, digest, end = journal.header, 0, hashlib.sha256(), START
    found_here: list[tuple[int, str]] = []
    with folder.open_reader(journal) as view:
        for piece in view.read_pieces():
            records += sum(1 for _ in iterate_frames(piece))
            digest.update(piece)
            end = Position(end.offset + len(piece), crc32(piece, end.crc))
        hole = find_damage(view, end.offset)
        if hole is not None:
            found_here.append(
                (hole.offset, f"damaged; {sum(len(island.frames) for island in hole.intact_ranges)} bytes behind it can be saved")
            )
        elif header.is_sealed and (header.end_crc, header.sha256) != (end.crc, digest.hexdigest()):
            found_here.append((end.offset, "the frames are not those that were sealed"))
        projected = fetch_one(db, 'SELECT "offset", crc FROM writer WHERE id = ?', (header.writer,))
        if projected is None and header.writer in existing_writers:
            found_here.append((0, "not projected"))
        elif projected is not None and view.crc_at(projected[0]) != projected[1]:
            found_here.append((projected[0], "what is projected is not what the journal says"))
    return records, [IntegrityProblem(header.project, header.run, header.writer, offset, what) for offset, what in found_here]


def check_received_stream(raw_store: RawStore, stream: Stream) -> tuple[int, list[IntegrityProblem]]:
    """One stream of a raw store: whether all that was acknowledged can still be read."""
    position, records = START, 0
    end = raw_store.positions([stream.writer])[stream.writer]
    while data := raw_store.read(stream.writer, position.offset, MAX_ITEM_BYTES)[: end.offset - position.offset]:
        position = Position(position.offset + len(data), crc32(data, position.crc))
        records += sum(1 for _ in iterate_frames(data))
    if position == end:
        return records, []
    what = f"received up to {end.offset}, readable up to here"
    return records, [IntegrityProblem(stream.project, stream.run, stream.writer, position.offset, what)]


def check_projection(db: apsw.Connection, source: Source) -> list[IntegrityProblem]:
    """The projection beside one made from the same journals just now."""
    fresh = connect_projection(":memory:")
    try:
        catch_up(fresh, CutOffSource(db, source))
        kept, made = dump(db), dump(fresh)
    finally:
        fresh.close()
    return [
        IntegrityProblem(
            project, run, None, None, f"the projection differs in: {', '.join(list_differences(kept, made, (project, run)))}"
        )
        for project, run in sorted(kept.keys() | made.keys())
        if kept.get((project, run)) != made.get((project, run))
    ]


def list_differences(stored: Dump, rebuilt: Dump, run: tuple[str, str]) -> list[str]:
    """Return the parts in which a run's contents differ."""
    one_side, other_side = stored.get(run, {}), rebuilt.get(run, {})
    return [name for name in sorted(one_side.keys() | other_side.keys()) if one_side.get(name) != other_side.get(name)]
