"""The sender: replicates the streams of a source to a receiver.

Keeps no time and opens no socket: its caller does.

`once()` picks what to say, says it in one request, and goes on from the answers. Sending again is harmless and a gap is impossible,
so it may be stopped anywhere, and any number of senders may run at once. What the receiver does not take is found by saying less
and less, and set aside.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteMisconfigured, RemoteUnavailable, RequestRejected, RequestTooLarge
from tasuki.journal import Source, Stream
from tasuki.records import Item, ItemReply, ReplicateResponse, StopCommand, count_frames, frames
from tasuki.relay.state.acks import Ack, AckLog
from tasuki.relay.state.dead_letters import DeadLetter, DeadLetterLog
from tasuki.relay.stream_route import RouteState, StreamRoute

__all__ = ["ReceiverTransport", "SendRound", "Sender"]

BATCH_BYTES = 1024 * 1024
BATCH_ITEMS = 1000
SMALL_BYTES = 64 * 1024
SMALLEST_BYTES = 16 * 1024
FRAME_BYTES = 8
READ_BYTES = 1024 * 1024
FORBIDDEN_SECONDS = 60.0
"""What one token is not for another one may be: it is asked again."""
log = logging.getLogger("tasuki.relay")


class ReceiverTransport(Protocol):
    """The connection to a receiver."""

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Send one request and return a reply per item, in any order. Raise RemoteError on failure."""
        ...


class SendRound(NamedTuple):
    """Result of one request.

    Items sent, records newly acknowledged, the pause and data that the receiver asks for.
    """

    items: int
    records: int
    next_after_ms: int = 0
    control: Sequence[StopCommand] = ()


class SentItem(NamedTuple):
    """An item that was sent, with the number of its records and the bytes of its frames."""

    route: StreamRoute
    item: Item
    records: int
    size: int


class Sender:
    """Sends one source to one receiver. Not thread-safe."""

    def __init__(
        self,
        source: Source,
        transport: ReceiverTransport,
        acks: AckLog | None = None,
        aside: DeadLetterLog | None = None,
        *,
        clock: Clock = SYSTEM,
    ) -> None:
        self.source = source
        self.transport = transport
        self.acks = acks
        self.aside = aside or DeadLetterLog()
        self.clock = clock
        self.most_items, self.most_bytes = BATCH_ITEMS, BATCH_BYTES
        self.boot_id = acks.boot_id if acks else None
        self.routes: dict[str, StreamRoute] = {}
        self.turn = 0
        """The first of the waiting streams in the next batch: the one behind the last that was served."""
        self.finished = {writer for writer, ack in acks.acks.items() if ack.sealed} if acks else set()

    def look(self) -> None:
        """Look up the streams of the source, and their lengths."""
        for stream in self.source.streams(self.finished):
            route = self.routes.get(stream.writer)
            if route is None:
                self.routes[stream.writer] = self.new_route(stream)
            else:
                route.look(stream)
                if route.again_at is not None and self.clock.monotonic() >= route.again_at:
                    route.again_at = None
                    route.ask_again()

    def new_route(self, stream: Stream) -> StreamRoute:
        """Create the route of a stream that is new in this session; its position is asked for once."""
        ack = self.acks.acks.get(stream.writer) if self.acks else None
        route = StreamRoute(stream, stream.writer)
        if ack is not None:
            route = StreamRoute(stream, ack.remote_writer, ack.start, counted=ack.start + ack.position.offset)
        if refused := self.aside.streams.get(stream.writer):
            route.set_aside(refused.reason)
        return route

    def open_routes(self) -> list[StreamRoute]:
        """Return the routes with something left to do."""
        return [route for writer, route in list(self.routes.items()) if writer not in self.finished and not route.is_done]

    def once(self) -> SendRound:
        """Send what fits into one request, and process the replies.

        RemoteError passes through; nothing is lost by it.
        """
        self.look()
        spoken = self.batch()
        if not spoken:
            return SendRound(0, 0)
        try:
            answer = self.transport.replicate([said.item for said in spoken])
        except RequestRejected as error:
            self.say_less(spoken, error)
            return SendRound(len(spoken), 0)
        except RemoteUnavailable:
            self.most_bytes = max(self.most_bytes // 2, SMALLEST_BYTES)  # a slow line gets a smaller piece through in time
            raise
        self.most_items = min(self.most_items * 2, BATCH_ITEMS)
        self.most_bytes = min(self.most_bytes * 2, BATCH_BYTES)
        if self.is_another_boot(answer.boot_id):
            return SendRound(len(spoken), 0)
        replies = {reply.writer: reply for reply in answer.items}
        records = sum(self.hear(said, replies[said.item.writer]) for said in spoken if said.item.writer in replies)
        return SendRound(len(spoken), records, answer.next_after_ms, answer.control)

    def say_less(self, spoken: list[SentItem], error: RequestRejected) -> None:
        """Halve the batch, down to the one frame or stream that is refused; set that aside with the reason.

        RemoteMisconfigured if not even an empty request is taken.
        """
        said = spoken[0]
        if len(spoken) > 1:
            self.most_items = len(spoken) // 2
        elif said.records > 1:
            self.most_bytes = max(min(self.most_bytes, said.size) // 2, 1)
        else:
            if not (said.size and isinstance(error, RequestTooLarge)):
                self.check_that_the_item_is_to_blame()
            self.set_aside(said.route, error.message, said.size)

    def check_that_the_item_is_to_blame(self) -> None:
        """Raise RemoteMisconfigured if an empty request is refused, too."""
        try:
            self.transport.replicate([])
        except RequestRejected as refused:
            raise RemoteMisconfigured(f"{refused.message}, even to an empty request", hint=refused.hint) from refused

    def set_aside(self, route: StreamRoute, reason: str, size: int = 0) -> None:
        """Set aside the next frame (`size` bytes), or, without a size, the rest of the stream."""
        stream, start = route.stream, route.reached
        end = start + size if size else None
        self.aside.note(
            DeadLetter(
                project=stream.project,
                run=stream.run,
                writer=stream.writer,
                start=start,
                end=end,
                reason=reason,
                time=self.clock.now_us(),
            )
        )
        if end is None:
            route.set_aside(reason)
        else:
            route.pass_over(size)

    def greet(self) -> None:
        """Send an empty request.

        The reply shows whether the receiver is the one whose acknowledgements are on file.
        """
        self.is_another_boot(self.transport.replicate([]).boot_id)

    def is_another_boot(self, boot_id: str) -> bool:
        """Return whether the receiver restarted, perhaps from an older copy.

        Every stream is then asked for again.
        """
        known, self.boot_id = self.boot_id, boot_id
        if known == boot_id:
            return False
        if self.acks is not None:
            self.acks.note_boot(boot_id)
        if known is not None:
            self.forget_positions()
        return known is not None

    def batch(self) -> list[SentItem]:
        """Build the next request: a piece of each stream in turn, as much as fits."""
        spoken: list[SentItem] = []
        left = self.most_bytes
        waiting = self.open_routes()
        turn = self.turn % len(waiting) if waiting else 0
        waiting = (waiting[turn:] + waiting[:turn])[: self.most_items]
        share = max(min(SMALL_BYTES, self.most_bytes), self.most_bytes // max(len(waiting), 1))
        for self.turn, route in enumerate(waiting, turn + 1):
            data, records = self.data_for(route, min(left, share))
            item = route.item(self.source, data)
            if item is not None:
                spoken.append(SentItem(route, item, records, len(data)))
                left -= len(data)
            if left <= 0:
                break
        return spoken

    def data_for(self, route: StreamRoute, limit_bytes: int) -> tuple[bytes, int]:
        """Return the next frames of a stream whose position is known, within the limit, and their number.

        The last may go beyond the size that was seen: that may lie within a frame, which was being written then.
        """
        self.pass_over(route)
        offset = route.start + route.acked.offset
        if route.state is not RouteState.SEND or offset >= route.stream.size:
            return b"", 0
        cut = self.aside.next_start(route.stream.writer, offset)
        limit_bytes = limit_bytes if cut is None else min(limit_bytes, cut - offset)
        data = first_frames(self.source.read(route.stream.writer, offset, limit_bytes), limit_bytes)
        return data, count_frames(data)

    def pass_over(self, route: StreamRoute) -> None:
        """Skip ranges that any process has set aside."""
        if route.state is RouteState.SEND and (aside := self.aside.frame_at(route.stream.writer, route.start + route.acked.offset)):
            route.pass_over((aside.end or aside.start) - aside.start)

    def hear(self, said: SentItem, reply: ItemReply) -> int:
        """Process one reply; return the number of newly acknowledged records."""
        route = said.route
        route.hear(self.source, said.item, reply)
        if route.state is RouteState.ASIDE and reply.forbidden:
            route.again_at = self.clock.monotonic() + FORBIDDEN_SECONDS
            log.warning("a stream of %r stays here for now: %s", route.stream.project, route.reason)
        elif route.state is RouteState.ASIDE:
            self.set_aside(route, route.reason or "")
        if route.state is RouteState.SEND and self.acks is not None:
            self.acks.note(route.stream.writer, Ack(route.acked, route.acked_sealed, route.remote_writer, route.start))
        if route.stream.sealed and route.acked_sealed and route.is_done:
            self.finished.add(route.stream.writer)
        return self.newly_acknowledged(said)

    def newly_acknowledged(self, said: SentItem) -> int:
        """Return the number of newly acknowledged records: those sent, unless an earlier reply was lost."""
        before, now = said.route.count()
        start = said.route.start + said.item.offset
        same = (before, now) == (start, start + said.size)
        return said.records if same else count_records(self.source, said.route.stream.writer, before, now)

    def forget_positions(self) -> None:
        """Ask for every stream again."""
        self.finished.clear()
        for route in self.routes.values():
            if route.state is not RouteState.ASIDE:
                route.ask_again()

    def pending(self, source: Source | None = None) -> int:
        """Return the number of unacknowledged records, dead letters included.

        Another thread may ask, with a source of its own.
        """
        source = source or self.source
        aside = sum(1 for aside in self.aside.waiting() if aside.end is not None and aside.writer in self.routes)
        return aside + sum(count_records(source, stream.writer, start) for stream, start in self.unacknowledged(source))

    def unacknowledged(self, source: Source) -> Iterator[tuple[Stream, int]]:
        """Yield the streams with unacknowledged bytes, each with the offset of the first such byte."""
        for stream in source.streams(self.finished):
            route = self.routes.get(stream.writer) or self.new_route(stream)
            if not (route.state is RouteState.SHORTER and route.is_done) and route.reached < stream.size:
                yield stream, route.reached


def first_frames(data: bytes, limit_bytes: int) -> bytes:
    """Return the frames that fit, at least one."""
    if len(data) <= limit_bytes:
        return data
    end = 0
    for offset, payload in frames(data):
        if end and offset + FRAME_BYTES + len(payload) > limit_bytes:
            break
        end = offset + FRAME_BYTES + len(payload)
    return data[:end]


def count_records(source: Source, writer: str, start: int, end: int = sys.maxsize) -> int:
    """Count the records of a stream after an offset, or between two offsets."""
    records = 0
    while start < end and (piece := source.read(writer, start, READ_BYTES)):
        records, start = records + count_frames(piece[: end - start]), start + len(piece)
    return records
