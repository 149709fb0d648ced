"""Sync once: send everything of a folder to one remote, until nothing is left to send."""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import msgspec

from tasuki.errors import RemoteError, RequestRejected
from tasuki.journal import JournalSource, Liveness, Stream
from tasuki.records import JOBS_PROJECT, ReplyStatus
from tasuki.relay.backoff import Backoff
from tasuki.relay.sender import ReceiverTransport, Sender
from tasuki.relay.state.dead_letters import build_retry_item
from tasuki.relay.state.remote_state import RemoteState
from tasuki.relay.state.remote_status import RemoteHealth

__all__ = ["SingleProjectSource", "SyncResult", "matches_project", "run_sync"]


class SyncResult(NamedTuple):
    """Result of one sync: streams, records newly acknowledged, records pending, refused streams by reason."""

    streams: int
    sent: int
    pending: int
    dead_letters: dict[str, str]


class SingleProjectSource:
    """A `Source` limited to one project.

    Without one, all projects but `.jobs`, which belongs to this folder.
    """

    def __init__(self, source: JournalSource, project: str | None) -> None:
        self.source = source
        self.project = project

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield the project's streams but those `known`."""
        return (stream for stream in self.source.streams(exclude) if matches_project(self.project, stream.project))

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`."""
        return self.source.read(writer, offset, limit_bytes)

    def check_liveness(self, writer: str) -> Liveness:
        """Return whether the stream's owner may still write."""
        return self.source.check_liveness(writer)

    def close(self) -> None:
        """Close all files."""
        self.source.close()


def matches_project(selected: str | None, project: str) -> bool:
    """Return whether a project is selected; without a name, every project but `.jobs` is."""
    return project == selected if selected is not None else project != JOBS_PROJECT


def run_sync(
    source: JournalSource,
    transport: ReceiverTransport,
    remote_state: RemoteState,
    *,
    project: str | None = None,
    with_dead_letters: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> SyncResult:
    """Seal what dead writers left, and send everything; with `with_dead_letters`, dead letters, too.

    RemoteError if the server can't be reached; what was sent stays sent.
    """
    source.folder.seal_dead_writers()
    try:
        sent = retry_dead_letters(source, transport, remote_state) if with_dead_letters else 0
        sender = Sender(SingleProjectSource(source, project), transport, remote_state.acks, remote_state.dead_letters)
        sender.check_boot_id()
        while (said := sender.run_round()).items:
            sent += said.records
            on_progress(sent)
    except RemoteError as error:
        patience = Backoff()
        patience.record_failure(error)
        remote_state.status_file.record_failure(patience.health, str(error), remote_state.status_file.status.attempts + 1)
        raise
    remote_state.status_file.record_success(RemoteHealth.OK, has_answered=True)
    aside = {
        aside.writer: aside.reason for aside in remote_state.dead_letters.list_undelivered() if project in (None, aside.project)
    }
    aside |= {route.stream.writer: route.reason or "" for route in sender.routes.values() if route.retry_at is not None}
    return SyncResult(len(sender.routes) + len(sender.finished_writers - sender.routes.keys()), sent, sender.count_pending(), aside)


def retry_dead_letters(source: JournalSource, transport: ReceiverTransport, remote_state: RemoteState) -> int:
    """Retry dead letters, frames as streams of their own. Return the number of frames that were accepted."""
    arrived = 0
    for aside in remote_state.dead_letters.list_undelivered():
        over = msgspec.structs.replace(aside, over=True)
        if aside.end is None:
            remote_state.dead_letters.record(over)
        elif item := build_retry_item(source, aside):
            try:
                (reply,) = transport.replicate([item]).items
            except RequestRejected as error:
                remote_state.dead_letters.record(msgspec.structs.replace(aside, reason=error.message))
                continue
            if reply.status is ReplyStatus.REJECTED:
                remote_state.dead_letters.record(msgspec.structs.replace(aside, reason=reply.hint or aside.reason))
            else:
                remote_state.dead_letters.record(over)
                arrived += 1
    return arrived
