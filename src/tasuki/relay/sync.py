"""Sending on demand: everything a folder has, to one remote, until nothing is left to say."""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from tasuki.journal import FolderSource, Stream, Verdict
from tasuki.relay.acks import FileAcks
from tasuki.relay.route import State
from tasuki.relay.sender import Sender, Transport

__all__ = ["OneProject", "Synced", "sync"]


class Synced(NamedTuple):
    """What one sync did: streams looked at, records newly acknowledged, records still pending, streams set aside by reason."""

    streams: int
    sent: int
    pending: int
    aside: dict[str, str]


class OneProject:
    """A `Source` cut down to one project; to all of them without one."""

    def __init__(self, source: FolderSource, project: str | None) -> None:
        self.source = source
        self.project = project

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """The project's streams but those `known`."""
        return (stream for stream in self.source.streams(known) if self.project in (None, stream.project))

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`."""
        return self.source.read(writer, offset, limit_bytes)

    def verdict(self, writer: str) -> Verdict:
        """Whether the stream's owner may still write."""
        return self.source.verdict(writer)

    def close(self) -> None:
        """Close all files."""
        self.source.close()


def sync(
    source: FolderSource,
    transport: Transport,
    acks: FileAcks,
    *,
    project: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Synced:
    """Seal what dead writers left and send all there is. RemoteError if the server can't be reached; what was sent stays sent."""
    source.folder.tend()
    sender = Sender(OneProject(source, project), transport, acks)
    sender.greet()
    sent = 0
    while (said := sender.once()).items:
        sent += said.records
        progress(sent)
    aside = {writer: route.reason or "" for writer, route in sender.routes.items() if route.state is State.ASIDE}
    return Synced(len(sender.routes) + len(sender.finished - sender.routes.keys()), sent, sender.pending(), aside)
