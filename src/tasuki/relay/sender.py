"""The sender: brings the streams of a source to a receiver. It keeps no time and opens no socket: both are its caller's.

`once()` picks what to say, says it in one request, and goes on from the answers. Sending again is harmless and a gap is impossible,
so it may be stopped anywhere, and any number of senders may run at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tasuki.journal import Source, Stream
from tasuki.records import Item, Position, Reply, ReplyStatus, frames, unpack_item
from tasuki.relay.route import Route, State

__all__ = ["Acks", "Round", "Sender", "Transport"]

BATCH_BYTES = 1024 * 1024
BATCH_ITEMS = 1000
SMALL_BYTES = 64 * 1024


class Transport(Protocol):
    """The way to a receiver."""

    def replicate(self, items: Sequence[Item]) -> list[Reply]:
        """One request; a reply per item, in any order. RemoteError if it can't be done."""
        ...


class Acks(Protocol):
    """What a receiver has acknowledged, kept between sessions."""

    def load(self) -> dict[str, Route]:
        """By our writer, the way it went and how far."""
        ...

    def note(self, route: Route) -> None:
        """Keep how far a stream has come."""
        ...


class Round(NamedTuple):
    """One request's worth: items said, records and bytes newly acknowledged."""

    items: int
    records: int
    bytes: int


@dataclass
class Spoken:
    """An item that was said, for its answer."""

    route: Route
    item: Item


class Sender:
    """One source, one receiver. Not to be shared by threads."""

    def __init__(self, source: Source, transport: Transport, acks: Acks | None = None, *, project: str | None = None) -> None:
        self.source = source
        self.transport = transport
        self.acks = acks
        self.project = project
        self.routes: dict[str, Route] = acks.load() if acks else {}
        self.finished = {writer for writer, route in self.routes.items() if route.acked_sealed}

    def look(self) -> None:
        """See which streams there are now, and how long they are."""
        for stream in self.source.streams(self.finished):
            if self.project in (None, stream.project):
                route = self.routes.get(stream.writer)
                if route is None:
                    self.routes[stream.writer] = Route(stream, stream.writer)
                else:
                    self.looked_again(route, stream)

    def looked_again(self, route: Route, stream: Stream) -> None:
        """A known stream: longer, ended, or, in a restored folder, shorter than what was acknowledged."""
        route.stream = stream
        if route.state is State.SEND and route.acked.offset > route.length:
            route.state = State.COMPARE

    def open_routes(self) -> list[Route]:
        """Streams for which something is left to do."""
        return [route for writer, route in self.routes.items() if writer not in self.finished and not route.is_done]

    def once(self) -> Round:
        """Look, say what fits into one request, and go on from the answers. RemoteError passes through; nothing is lost by it."""
        self.look()
        spoken = self.batch()
        if not spoken:
            return Round(0, 0, 0)
        replies = {reply.writer: reply for reply in self.transport.replicate([said.item for said in spoken])}
        records = size = 0
        for said in spoken:
            if (reply := replies.get(said.item.writer)) is not None:
                more = self.hear(said, reply)
                records, size = records + more[0], size + more[1]
        return Round(len(spoken), records, size)

    def batch(self) -> list[Spoken]:
        """What to say in the next request: a piece of each stream in turn, as much as fits."""
        spoken: list[Spoken] = []
        left = BATCH_BYTES
        waiting = self.open_routes()[:BATCH_ITEMS]
        for route in waiting:
            share = max(SMALL_BYTES, BATCH_BYTES // len(waiting))
            item = route.item(self.source, min(left, share))
            if item is not None:
                spoken.append(Spoken(route, item))
                left -= len(item.data or b"")
            if left <= 0:
                break
        return spoken

    def hear(self, said: Spoken, reply: Reply) -> tuple[int, int]:
        """One answer; returns how many records and bytes of frames it newly acknowledges."""
        route, item = said.route, said.item
        route.hear(self.source, item, reply)
        if route.state is State.SEND and self.acks is not None:
            self.acks.note(route)
        if route.stream.sealed and route.acked_sealed and route.is_done:
            self.finished.add(route.stream.writer)
        if reply.status is not ReplyStatus.STORED or item.data is None:
            return 0, 0
        data = unpack_item(item.data)
        return sum(1 for _ in frames(data)), len(data)

    def forget_positions(self) -> None:
        """The receiver has started anew, perhaps from an older copy: ask for every stream again, in bulk."""
        self.finished.clear()
        for route in self.routes.values():
            if route.state is not State.ASIDE:
                route.state, route.acked, route.acked_sealed = State.ASK, Position(0, 0), False

    def pending(self) -> int:
        """How many records are not acknowledged yet."""
        self.look()
        return sum(self.pending_of(route) for route in self.open_routes())

    def pending_of(self, route: Route) -> int:
        """How many records of one stream are not acknowledged yet."""
        if route.state is State.SHORTER:
            return 0
        offset = route.acked.offset if route.state is State.SEND else 0
        return sum(1 for piece in route.pieces(self.source, offset) for _ in frames(piece))
