"""Sync once: send everything of a folder to one remote, until nothing is left to send."""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import msgspec

from tasuki.errors import RemoteError, RequestRejected
from tasuki.journal import JournalSource, Liveness, Stream
from tasuki.records import JOBS, ReplyStatus
from tasuki.relay.backoff import Backoff
from tasuki.relay.sender import ReceiverTransport, Sender
from tasuki.relay.state.dead_letters import lone_item
from tasuki.relay.state.remote_state import RemoteState
from tasuki.relay.state.remote_status import RemoteHealth

__all__ = ["SingleProjectSource", "SyncResult", "is_meant", "sync"]


class SyncResult(NamedTuple):
    """Result of one sync: streams, records newly acknowledged, records pending, refused streams by reason."""

    streams: int
    sent: int
    pending: int
    aside: dict[str, str]


class SingleProjectSource:
    """A `Source` limited to one project.

    Without one, all projects but `.jobs`, which belongs to this folder.
    """

    def __init__(self, source: JournalSource, project: str | None) -> None:
        self.source = source
        self.project = project

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Yield the project's streams but those `known`."""
        return (stream for stream in self.source.streams(known) if is_meant(self.project, stream.project))

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`."""
        return self.source.read(writer, offset, limit_bytes)

    def verdict(self, writer: str) -> Liveness:
        """Return whether the stream's owner may still write."""
        return self.source.verdict(writer)

    def close(self) -> None:
        """Close all files."""
        self.source.close()


def is_meant(wanted: str | None, project: str) -> bool:
    """Return whether a project is selected; without a name, every project but `.jobs` is."""
    return project == wanted if wanted is not None else project != JOBS


def sync(
    source: JournalSource,
    transport: ReceiverTransport,
    kept: RemoteState,
    *,
    project: str | None = None,
    retry_aside: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> SyncResult:
    """Seal what dead writers left, and send everything; with `retry_aside`, dead letters, too.

    RemoteError if the server can't be reached; what was sent stays sent.
    """
    source.folder.tend()
    try:
        sent = retry(source, transport, kept) if retry_aside else 0
        sender = Sender(SingleProjectSource(source, project), transport, kept.acks, kept.aside)
        sender.greet()
        while (said := sender.once()).items:
            sent += said.records
            progress(sent)
    except RemoteError as error:
        patience = Backoff()
        patience.failed(error)
        kept.standing.failed(patience.health, str(error), kept.standing.standing.attempts + 1)
        raise
    kept.standing.succeeded(RemoteHealth.OK, answered=True)
    aside = {aside.writer: aside.reason for aside in kept.aside.waiting() if project in (None, aside.project)}
    aside |= {route.stream.writer: route.reason or "" for route in sender.routes.values() if route.again_at is not None}
    return SyncResult(len(sender.routes) + len(sender.finished - sender.routes.keys()), sent, sender.pending(), aside)


def retry(source: JournalSource, transport: ReceiverTransport, kept: RemoteState) -> int:
    """Retry dead letters, frames as streams of their own. Return the number of frames that were accepted."""
    arrived = 0
    for aside in kept.aside.waiting():
        over = msgspec.structs.replace(aside, over=True)
        if aside.end is None:
            kept.aside.note(over)
        elif item := lone_item(source, aside):
            try:
                (reply,) = transport.replicate([item]).items
            except RequestRejected as error:
                kept.aside.note(msgspec.structs.replace(aside, reason=error.message))
                continue
            if reply.status is ReplyStatus.REJECTED:
                kept.aside.note(msgspec.structs.replace(aside, reason=reply.hint or aside.reason))
            else:
                kept.aside.note(over)
                arrived += 1
    return arrived
