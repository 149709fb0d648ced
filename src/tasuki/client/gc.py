"""Remove journals of runs that a server has had, whole, for long enough.

Nothing goes that the server does not name, now, with its exact length and checksum. What is alive, not sealed,
damaged, or in no run stays; so does a run of which any journal has to.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.failpoints import hit_failpoint
from tasuki.journal import JournalFileInfo, JournalFolder, sync_folder
from tasuki.records import Item, ReplyStatus
from tasuki.relay.sender import ReceiverTransport
from tasuki.relay.state.acks import AckLog

__all__ = ["RemovableRun", "find_removable_runs", "remove_journals"]

MAX_ITEMS_PER_REQUEST = 1000


class RemovableRun(NamedTuple):
    """A run whose journals may be removed."""

    project: str
    run: str
    journals: list[JournalFileInfo]

    @property
    def size_bytes(self) -> int:
        """Return the size of its journals in bytes."""
        return sum(journal.path.stat().st_size for journal in self.journals)


def find_removable_runs(
    folder: JournalFolder, transport: ReceiverTransport, acks: AckLog, retention: timedelta, *, clock: Clock = SYSTEM_CLOCK
) -> list[RemovableRun]:
    """Return the runs that a server has had for longer than the retention.

    Raise RemoteError if it cannot be asked.
    """
    until = clock.now_us() - retention // timedelta(microseconds=1)
    runs: dict[tuple[str, str], list[JournalFileInfo]] = defaultdict(list)
    for journal in folder.journals():
        runs[journal.header.project, journal.header.run].append(journal)
    old = [
        RemovableRun(project, run, journals)
        for (project, run), journals in runs.items()
        if run and all(journal.is_sealed and find_stored_time(journal, acks) <= until for journal in journals)
    ]
    there = query_confirmed_writers(transport, [journal for one in old for journal in one.journals])
    return [one for one in old if all(journal.header.writer in there for journal in one.journals)]


def find_stored_time(journal: JournalFileInfo, acks: AckLog) -> int:
    """Return when the server first had all of a sealed journal, as far as known.

    Never before it was sealed.
    """
    sealed_us = journal.path.stat().st_mtime_ns // 1000
    return max(sealed_us, acks.stored_times.get(journal.header.writer, sealed_us))


def query_confirmed_writers(transport: ReceiverTransport, journals: Sequence[JournalFileInfo]) -> set[str]:
    """Return the writers that the server confirms now: each complete there, with the same end."""
    there = set()
    for first in range(0, len(journals), MAX_ITEMS_PER_REQUEST):
        items = {journal.header.writer: build_query(journal) for journal in journals[first : first + MAX_ITEMS_PER_REQUEST]}
        for reply in transport.replicate(list(items.values())).items:
            item = items.get(reply.writer)
            same = item is not None and reply.position == item.position
            if same and reply.sealed and reply.status is ReplyStatus.DUPLICATE:
                there.add(reply.writer)
    return there


def build_query(journal: JournalFileInfo) -> Item:
    """Build an item that asks whether the receiver is at the end of a sealed journal."""
    header = journal.header
    return Item(project=header.project, run=header.run, writer=header.writer, offset=header.end or 0, crc=header.end_crc or 0)


def remove_journals(runs: Iterable[RemovableRun], on_progress: Callable[[int], None] = lambda _: None) -> None:
    """Remove the journals of runs. After a kill in the middle, the next call removes the rest."""
    for count, old in enumerate(runs, 1):
        for journal in old.journals:
            journal.path.unlink(missing_ok=True)
            hit_failpoint("gc.after_unlink")
        sync_folder(old.journals[0].path.parent)
        on_progress(count)
