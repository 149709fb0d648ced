"""The sender: brings the streams of a source to a receiver. It keeps no time and opens no socket: both are its caller's.

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
    """The way to a receiver."""

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """One request; a reply per item, in any order. RemoteError if it can't be done."""
        ...


class SendRound(NamedTuple):
    """One request's worth: items said, records newly acknowledged, how long the receiver asks to be left alone, what it wants."""

    items: int
    records: int
    next_after_ms: int = 0
    control: Sequence[StopCommand] = ()


class SentItem(NamedTuple):
    """An item that was said, how many records it holds, and how many bytes of frames."""

    route: StreamRoute
    item: Item
    records: int
    size: int


class Sender:
    """One source, one receiver. Not to be shared by threads."""

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
        """See which streams there are now, and how long they are."""
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
        """The way of a stream that was not seen before in this session; it is asked for once, wherever it had come to."""
        ack = self.acks.acks.get(stream.writer) if self.acks else None
        route = StreamRoute(stream, stream.writer)
        if ack is not None:
            route = StreamRoute(stream, ack.remote_writer, ack.start, counted=ack.start + ack.position.offset)
        if refused := self.aside.streams.get(stream.writer):
            route.set_aside(refused.reason)
        return route

    def open_routes(self) -> list[StreamRoute]:
        """Streams for which something is left to do."""
        return [route for writer, route in list(self.routes.items()) if writer not in self.finished and not route.is_done]

    def once(self) -> SendRound:
        """Look, say what fits into one request, and go on from the answers. RemoteError passes through; nothing is lost by it."""
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
        """Halve what is said at once, down to the one frame or stream that is not taken; that is set aside with the reason.

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
        """RemoteMisconfigured if an empty request is refused too."""
        try:
            self.transport.replicate([])
        except RequestRejected as refused:
            raise RemoteMisconfigured(f"{refused.message}, even to an empty request", hint=refused.hint) from refused

    def set_aside(self, route: StreamRoute, reason: str, size: int = 0) -> None:
        """Pass over the frame of so many bytes that comes next; without a size, say no more of the stream."""
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
        """Ask nothing: the answer says whether the receiver is the one that acknowledged what need not be asked for again."""
        self.is_another_boot(self.transport.replicate([]).boot_id)

    def is_another_boot(self, boot_id: str) -> bool:
        """Whether the receiver has started anew, perhaps from an older copy: then every stream is asked for again, in bulk."""
        known, self.boot_id = self.boot_id, boot_id
        if known == boot_id:
            return False
        if self.acks is not None:
            self.acks.note_boot(boot_id)
        if known is not None:
            self.forget_positions()
        return known is not None

    def batch(self) -> list[SentItem]:
        """What to say in the next request: a piece of each stream in turn, as much as fits."""
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
        """The next frames of a stream whose position is known, about as many bytes as allowed, and how many frames.

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
        """Leave out what was set aside before, by whichever process."""
        if route.state is RouteState.SEND and (aside := self.aside.frame_at(route.stream.writer, route.start + route.acked.offset)):
            route.pass_over((aside.end or aside.start) - aside.start)

    def hear(self, said: SentItem, reply: ItemReply) -> int:
        """One answer; returns how many records it newly acknowledges."""
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
        """How many records are: those that were said, unless an answer was lost before."""
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
        """How many records are not acknowledged yet; those that are set aside are among them.

        Another thread may ask, with a source of its own.
        """
        source = source or self.source
        aside = sum(1 for aside in self.aside.waiting() if aside.end is not None and aside.writer in self.routes)
        return aside + sum(count_records(source, stream.writer, start) for stream, start in self.unacknowledged(source))

    def unacknowledged(self, source: Source) -> Iterator[tuple[Stream, int]]:
        """The streams of which something is not acknowledged, and from where on."""
        for stream in source.streams(self.finished):
            route = self.routes.get(stream.writer) or self.new_route(stream)
            if not (route.state is RouteState.SHORTER and route.is_done) and route.reached < stream.size:
                yield stream, route.reached


def first_frames(data: bytes, limit_bytes: int) -> bytes:
    """The frames that fit, at least one."""
    if len(data) <= limit_bytes:
        return data
    end = 0
    for offset, payload in frames(data):
        if end and offset + FRAME_BYTES + len(payload) > limit_bytes:
            break
        end = offset + FRAME_BYTES + len(payload)
    return data[:end]


def count_records(source: Source, writer: str, start: int, end: int = sys.maxsize) -> int:
    """How many records of a stream lie behind an offset, or between two."""
    records = 0
    while start < end and (piece := source.read(writer, start, READ_BYTES)):
        records, start = records + count_frames(piece[: end - start]), start + len(piece)
    return records
