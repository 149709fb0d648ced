"""The backlog of a data folder.

Records that each remote has not acknowledged, and the remote's status.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tasuki.errors import InvalidRecord
from tasuki.journal import JournalFileInfo, JournalFolder
from tasuki.records import Record, UnknownRecord, decode, frames
from tasuki.relay.state.acks import AckLog, acks_path
from tasuki.relay.state.dead_letters import DeadLetter, DeadLetterLog, aside_path
from tasuki.relay.state.remote_status import RemoteStatus, standings
from tasuki.settings import Settings

__all__ = ["PendingRecord", "RemoteBacklog", "pending_of", "queues", "records_of"]


class PendingRecord(NamedTuple):
    """A record that is not acknowledged: its stream and offset, and the decoded record if it is readable."""

    writer: str
    offset: int
    record: Record | UnknownRecord | None


class RemoteBacklog(NamedTuple):
    """Backlog of one remote. `oldest` is the time of its first pending record, in microseconds UTC."""

    remote: str
    pending: int
    oldest: int | None
    standing: RemoteStatus
    aside: list[DeadLetter]


def queues(settings: Settings) -> list[RemoteBacklog]:
    """Return the backlogs of all remotes that journals are meant for or were sent to, by address."""
    known = {standing.remote: standing for standing in standings(settings.dir)}
    journals = list(JournalFolder(settings.journal_root, settings.lock_root).journals())
    named = {journal.header.remote for journal in journals if journal.header.remote}
    if settings.remote:
        named.add(settings.remote)
    return [queue(settings, known.get(remote) or RemoteStatus(remote=remote), journals) for remote in sorted(named | known.keys())]


def queue(settings: Settings, standing: RemoteStatus, journals: list[JournalFileInfo]) -> RemoteBacklog:
    """Build the backlog of one remote."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    pending, times = 0, []
    for journal, start in unacknowledged(settings, standing.remote, journals):
        first = next(records_from(folder, journal, start), None)
        times += [first.record.time] if first and first.record else []
        pending += sum(1 for _, piece in pieces(folder, journal, start) for _ in frames(piece))
    aside = DeadLetterLog(aside_path(settings.dir, standing.remote)).waiting()
    return RemoteBacklog(standing.remote, pending, min(times, default=None), standing, aside)


def pending_of(settings: Settings, remote: str) -> Iterator[PendingRecord]:
    """Yield the records meant for a remote that it has not acknowledged, as far as the folder knows."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    for journal, start in unacknowledged(settings, remote, folder.journals()):
        yield from records_from(folder, journal, start)


def unacknowledged(settings: Settings, remote: str, journals: Iterable[JournalFileInfo]) -> Iterator[tuple[JournalFileInfo, int]]:
    """Yield the journals with unacknowledged bytes, each with the offset of the first such byte."""
    acks = AckLog(acks_path(settings.dir, remote)).acks
    for journal in journals:
        ack = acks.get(journal.header.writer)
        start = ack.start + ack.position.offset if ack else 0
        if journal.header.remote == remote and start < journal.size:
            yield journal, start


def pieces(folder: JournalFolder, journal: JournalFileInfo, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield a journal's frames from an offset, in pieces."""
    with folder.view(journal) as view:
        for piece in view.pieces(start):
            yield start, piece
            start += len(piece)


def records_from(folder: JournalFolder, journal: JournalFileInfo, start: int) -> Iterator[PendingRecord]:
    """Yield a journal's records from an offset."""
    for at, piece in pieces(folder, journal, start):
        for offset, payload in frames(piece):
            yield PendingRecord(journal.header.writer, at + offset, decoded(payload))


def decoded(payload: bytes) -> Record | UnknownRecord | None:
    """Decode a record. Return None for an unreadable one; the relay sends it all the same."""
    try:
        return decode(payload)
    except InvalidRecord:
        return None


def records_of(settings: Settings, aside: DeadLetter) -> Iterator[PendingRecord]:
    """Yield the records of a dead letter; nothing if its journal is gone."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    journal = folder.find(aside.writer)
    for found in records_from(folder, journal, aside.start) if journal else ():
        if aside.end is not None and found.offset >= aside.end:
            return
        yield found
