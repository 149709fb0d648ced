"""The backlog of a data folder.

Records that each remote has not acknowledged, and the remote's status.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tasuki.errors import InvalidRecord
from tasuki.journal import JournalFileInfo, JournalFolder
from tasuki.records import Record, UnknownRecord, decode, iterate_frames
from tasuki.relay.state.acks import AckLog, acks_path
from tasuki.relay.state.dead_letters import DeadLetter, DeadLetterLog, dead_letters_path
from tasuki.relay.state.remote_status import RemoteStatus, list_remote_statuses
from tasuki.settings import Settings

__all__ = ["PendingRecord", "RemoteBacklog", "iter_dead_letter_records", "iter_pending_records", "list_backlogs"]


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
    status: RemoteStatus
    dead_letters: list[DeadLetter]


def list_backlogs(settings: Settings) -> list[RemoteBacklog]:
    """Return the backlogs of all remotes that journals are meant for or were sent to, by address."""
    known = {standing.remote: standing for standing in list_remote_statuses(settings.dir)}
    journals = list(JournalFolder(settings.journal_root, settings.lock_root).journals())
    named = {journal.header.remote for journal in journals if journal.header.remote}
    if settings.remote:
        named.add(settings.remote)
    return [
        build_backlog(settings, known.get(remote) or RemoteStatus(remote=remote), journals)
        for remote in sorted(named | known.keys())
    ]


def build_backlog(settings: Settings, status: RemoteStatus, journals: list[JournalFileInfo]) -> RemoteBacklog:
    """Build the backlog of one remote."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    pending, times = 0, []
    for journal, start in iter_unacknowledged(settings, status.remote, journals):
        first = next(iter_records(folder, journal, start), None)
        times += [first.record.time] if first and first.record else []
        pending += sum(1 for _, piece in iter_pieces(folder, journal, start) for _ in iterate_frames(piece))
    aside = DeadLetterLog(dead_letters_path(settings.dir, status.remote)).list_undelivered()
    return RemoteBacklog(status.remote, pending, min(times, default=None), status, aside)


def iter_pending_records(settings: Settings, remote: str) -> Iterator[PendingRecord]:
    """Yield the records meant for a remote that it has not acknowledged, as far as the folder knows."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    for journal, start in iter_unacknowledged(settings, remote, folder.journals()):
        yield from iter_records(folder, journal, start)


def iter_unacknowledged(
    settings: Settings, remote: str, journals: Iterable[JournalFileInfo]
) -> Iterator[tuple[JournalFileInfo, int]]:
    """Yield the journals with unacknowledged bytes, each with the offset of the first such byte."""
    acks = AckLog(acks_path(settings.dir, remote)).by_writer
    for journal in journals:
        ack = acks.get(journal.header.writer)
        start = ack.start + ack.position.offset if ack else 0
        if journal.header.remote == remote and start < journal.size:
            yield journal, start


def iter_pieces(folder: JournalFolder, journal: JournalFileInfo, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield a journal's frames from an offset, in pieces."""
    with folder.open_reader(journal) as view:
        for piece in view.read_pieces(start):
            yield start, piece
            start += len(piece)


def iter_records(folder: JournalFolder, journal: JournalFileInfo, start: int) -> Iterator[PendingRecord]:
    """Yield a journal's records from an offset."""
    for at, piece in iter_pieces(folder, journal, start):
        for offset, payload in iterate_frames(piece):
            yield PendingRecord(journal.header.writer, at + offset, decode_if_readable(payload))


def decode_if_readable(payload: bytes) -> Record | UnknownRecord | None:
    """Decode a record. Return None for an unreadable one; the relay sends it all the same."""
    try:
        return decode(payload)
    except InvalidRecord:
        return None


def iter_dead_letter_records(settings: Settings, dead_letter: DeadLetter) -> Iterator[PendingRecord]:
    """Yield the records of a dead letter; nothing if its journal is gone."""
    folder = JournalFolder(settings.journal_root, settings.lock_root)
    journal = folder.find(dead_letter.writer)
    for found in iter_records(folder, journal, dead_letter.start) if journal else ():
        if dead_letter.end is not None and found.offset >= dead_letter.end:
            return
        yield found
