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

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteMisconfigured, RemoteUnavailable, RequestRejected, RequestTooLarge
from tasuki.journal import Source, Stream
from tasuki.records import Item, ItemReply, ReplicateResponse, StopCommand, count_frames, iterate_frames
from tasuki.relay.state.acks import Ack, AckLog
from tasuki.relay.state.dead_letters import DeadLetter, DeadLetterLog
from tasuki.relay.stream_route import RouteState, StreamRoute

__all__ = ["ReceiverTransport", "SendRound", "Sender"]

MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_ITEMS = 1000
MIN_SHARE_BYTES = 64 * 1024
MIN_BATCH_BYTES = 16 * 1024
FRAME_HEADER_BYTES = 8
READ_BYTES = 1024 * 1024
FORBIDDEN_RETRY_SECONDS = 60.0
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
    commands: Sequence[StopCommand] = ()


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
        dead_letters: DeadLetterLog | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.source = source
        self.transport = transport
        self.acks = acks
        self.dead_letters = dead_letters or DeadLetterLog()
        self.clock = clock
        self.max_items, self.max_bytes = MAX_BATCH_ITEMS, MAX_BATCH_BYTES
        self.boot_id = acks.boot_id if acks else None
        self.routes: dict[str, StreamRoute] = {}
        self.next_route_index = 0
        """The first of the waiting streams in the next batch: the one behind the last that was served."""
        self.finished_writers = {writer for writer, ack in acks.by_writer.items() if ack.sealed} if acks else set()

    def refresh_routes(self) -> None:
        """Look up the streams of the source, and their lengths."""
        for stream in self.source.streams(self.finished_writers):
            route = self.routes.get(stream.writer)
            if route is None:
                self.routes[stream.writer] = self.build_route(stream)
            else:
                route.update_stream(stream)
                if route.retry_at is not None and self.clock.monotonic() >= route.retry_at:
                    route.retry_at = None
                    route.reset_position()

    def build_route(self, stream: Stream) -> StreamRoute:
        """Create the route of a stream that is new in this session; its position is asked for once."""
        ack = self.acks.by_writer.get(stream.writer) if self.acks else None
        route = StreamRoute(stream, stream.writer)
        if ack is not None:
            route = StreamRoute(stream, ack.remote_writer, ack.start, counted_until=ack.start + ack.position.offset)
        if refused := self.dead_letters.streams.get(stream.writer):
            route.mark_refused(refused.reason)
        return route

    def list_open_routes(self) -> list[StreamRoute]:
        """Return the routes with something left to do."""
        return [route for writer, route in list(self.routes.items()) if writer not in self.finished_writers and not route.is_done]

    def run_round(self) -> SendRound:
        """Send what fits into one request, and process the replies.

        RemoteError passes through; nothing is lost by it.
        """
        self.refresh_routes()
        spoken = self.build_batch()
        if not spoken:
            return SendRound(0, 0)
        try:
            answer = self.transport.replicate([said.item for said in spoken])
        except RequestRejected as error:
            self.reduce_batch(spoken, error)
            return SendRound(len(spoken), 0)
        except RemoteUnavailable:
            self.max_bytes = max(self.max_bytes // 2, MIN_BATCH_BYTES)  # a slow line gets a smaller piece through in time
            raise
        self.max_items = min(self.max_items * 2, MAX_BATCH_ITEMS)
        self.max_bytes = min(self.max_bytes * 2, MAX_BATCH_BYTES)
        if self.detect_restart(answer.boot_id):
            return SendRound(len(spoken), 0)
        replies = {reply.writer: reply for reply in answer.items}
        records = sum(self.apply_reply(said, replies[said.item.writer]) for said in spoken if said.item.writer in replies)
        return SendRound(len(spoken), records, answer.next_after_ms, answer.control)

    def reduce_batch(self, sent_items: list[SentItem], error: RequestRejected) -> None:
        """Halve the batch, down to the one frame or stream that is refused; set that aside with the reason.

        RemoteMisconfigured if not even an empty request is taken.
        """
        said = sent_items[0]
        if len(sent_items) > 1:
            self.max_items = len(sent_items) // 2
        elif said.records > 1:
            self.max_bytes = max(min(self.max_bytes, said.size) // 2, 1)
        else:
            if not (said.size and isinstance(error, RequestTooLarge)):
                self.check_empty_request()
            self.add_dead_letter(said.route, error.message, said.size)

    def check_empty_request(self) -> None:
        """Raise RemoteMisconfigured if an empty request is refused, too."""
        try:
            self.transport.replicate([])
        except RequestRejected as refused:
            raise RemoteMisconfigured(f"{refused.message}, even to an empty request", hint=refused.hint) from refused

    def add_dead_letter(self, route: StreamRoute, reason: str, size: int = 0) -> None:
        """Set aside the next frame (`size` bytes), or, without a size, the rest of the stream."""
        stream, start = route.stream, route.delivered_offset
        end = start + size if size else None
        self.dead_letters.record(
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
            route.mark_refused(reason)
        else:
            route.skip_frame(size)

    def check_boot_id(self) -> None:
        """Send an empty request.

        The reply shows whether the receiver is the one whose acknowledgements are on file.
        """
        self.detect_restart(self.transport.replicate([]).boot_id)

    def detect_restart(self, boot_id: str) -> bool:
        """Return whether the receiver restarted, perhaps from an older copy.

        Every stream is then asked for again.
        """
        known, self.boot_id = self.boot_id, boot_id
        if known == boot_id:
            return False
        if self.acks is not None:
            self.acks.record_boot(boot_id)
        if known is not None:
            self.reset_positions()
        return known is not None

    def build_batch(self) -> list[SentItem]:
        """Build the next request: a piece of each stream in turn, as much as fits."""
        spoken: list[SentItem] = []
        left = self.max_bytes
        waiting = self.list_open_routes()
        turn = self.next_route_index % len(waiting) if waiting else 0
        waiting = (waiting[turn:] + waiting[:turn])[: self.max_items]
        share = max(min(MIN_SHARE_BYTES, self.max_bytes), self.max_bytes // max(len(waiting), 1))
        for self.next_route_index, route in enumerate(waiting, turn + 1):
            data, records = self.read_next_frames(route, min(left, share))
            item = route.build_next_item(self.source, data)
            if item is not None:
                spoken.append(SentItem(route, item, records, len(data)))
                left -= len(data)
            if left <= 0:
                break
        return spoken

    def read_next_frames(self, route: StreamRoute, limit_bytes: int) -> tuple[bytes, int]:
        """Return the next frames of a stream whose position is known, within the limit, and their number.

        The last may go beyond the size that was seen: that may lie within a frame, which was being written then.
        """
        self.skip_dead_letter(route)
        offset = route.start + route.acked_position.offset
        if route.state is not RouteState.SEND or offset >= route.stream.size:
            return b"", 0
        cut = self.dead_letters.find_next_start(route.stream.writer, offset)
        limit_bytes = limit_bytes if cut is None else min(limit_bytes, cut - offset)
        data = limit_frames(self.source.read(route.stream.writer, offset, limit_bytes), limit_bytes)
        return data, count_frames(data)

    def skip_dead_letter(self, route: StreamRoute) -> None:
        """Skip ranges that any process has set aside."""
        if route.state is RouteState.SEND and (
            aside := self.dead_letters.find_frame(route.stream.writer, route.start + route.acked_position.offset)
        ):
            route.skip_frame((aside.end or aside.start) - aside.start)

    def apply_reply(self, sent_item: SentItem, reply: ItemReply) -> int:
        """Process one reply; return the number of newly acknowledged records."""
        route = sent_item.route
        route.apply_reply(self.source, sent_item.item, reply)
        if route.state is RouteState.REFUSED and reply.forbidden:
            route.retry_at = self.clock.monotonic() + FORBIDDEN_RETRY_SECONDS
            log.warning("a stream of %r stays here for now: %s", route.stream.project, route.reason)
        elif route.state is RouteState.REFUSED:
            self.add_dead_letter(route, route.reason or "")
        if route.state is RouteState.SEND and self.acks is not None:
            self.acks.record(route.stream.writer, Ack(route.acked_position, route.acked_sealed, route.remote_writer, route.start))
        if route.stream.is_sealed and route.acked_sealed and route.is_done:
            self.finished_writers.add(route.stream.writer)
        return self.count_newly_acknowledged(sent_item)

    def count_newly_acknowledged(self, sent_item: SentItem) -> int:
        """Return the number of newly acknowledged records: those sent, unless an earlier reply was lost."""
        before, now = sent_item.route.advance_counted()
        start = sent_item.route.start + sent_item.item.offset
        same = (before, now) == (start, start + sent_item.size)
        return sent_item.records if same else count_records(self.source, sent_item.route.stream.writer, before, now)

    def reset_positions(self) -> None:
        """Ask for every stream again."""
        self.finished_writers.clear()
        for route in self.routes.values():
            if route.state is not RouteState.REFUSED:
                route.reset_position()

    def count_pending(self, source: Source | None = None) -> int:
        """Return the number of unacknowledged records, dead letters included.

        Another thread may ask, with a source of its own.
        """
        source = source or self.source
        aside = sum(1 for aside in self.dead_letters.list_undelivered() if aside.end is not None and aside.writer in self.routes)
        return aside + sum(count_records(source, stream.writer, start) for stream, start in self.iter_unacknowledged(source))

    def iter_unacknowledged(self, source: Source) -> Iterator[tuple[Stream, int]]:
        """Yield the streams with unacknowledged bytes, each with the offset of the first such byte."""
        for stream in source.streams(self.finished_writers):
            route = self.routes.get(stream.writer) or self.build_route(stream)
            if not (route.state is RouteState.SHORTER and route.is_done) and route.delivered_offset < stream.size:
                yield stream, route.delivered_offset


def limit_frames(data: bytes, limit_bytes: int) -> bytes:
    """Return the frames that fit, at least one."""
    if len(data) <= limit_bytes:
        return data
    end = 0
    for offset, payload in iterate_frames(data):
        if end and offset + FRAME_HEADER_BYTES + len(payload) > limit_bytes:
            break
        end = offset + FRAME_HEADER_BYTES + len(payload)
    return data[:end]


def count_records(source: Source, writer: str, start: int, end: int = sys.maxsize) -> int:
    """Count the records of a stream after an offset, or between two offsets."""
    records = 0
    while start < end and (piece := source.read(writer, start, READ_BYTES)):
        records, start = records + count_frames(piece[: end - start]), start + len(piece)
    return records
