"""Sending on demand: everything a folder has, to one remote, until nothing is left to say."""

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
    """What one sync did: streams looked at, records newly acknowledged, records still pending, streams set aside by reason."""

    streams: int
    sent: int
    pending: int
    aside: dict[str, str]


class SingleProjectSource:
    """A `Source` cut down to one project; without one, to all but that of jobs, which are this folder's own."""

    def __init__(self, source: JournalSource, project: str | None) -> None:
        self.source = source
        self.project = project

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """The project's streams but those `known`."""
        return (stream for stream in self.source.streams(known) if is_meant(self.project, stream.project))

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`."""
        return self.source.read(writer, offset, limit_bytes)

    def verdict(self, writer: str) -> Liveness:
        """Whether the stream's owner may still write."""
        return self.source.verdict(writer)

    def close(self) -> None:
        """Close all files."""
        self.source.close()


def is_meant(wanted: str | None, project: str) -> bool:
    """Whether a project is the one that is wanted; where none is named, all are but that of jobs."""
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
    """Seal what dead writers left and send all there is; `retry_aside`: what was set aside too.

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
    """Try again what is set aside: streams go on as before, frames as streams of their own; returns how many frames arrived."""
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
