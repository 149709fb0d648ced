"""Route of one stream: its writer id at the receiver, and its acknowledged position.

Usually it is the same writer from its beginning. When the other side has other content under that writer (a cloned folder, a
restored virtual machine), what follows the last common point goes on as a new writer, derived from the old one and that point.
Nothing is concluded from what can't be read here: on a volume, pages may be missing for a while.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from zlib_ng.zlib_ng import crc32

from tasuki.journal import Source, Stream, derive_writer_id
from tasuki.records import START, Item, ItemReply, Position, ReplyStatus, iterate_frames, pack_item

__all__ = ["RouteState", "StreamRoute"]

READ_BYTES = 1024 * 1024


class RouteState(Enum):
    """The next step of a sender for a stream."""

    ASK = "ask"
    """the position there is not known"""
    SEND = "send"
    """the position there is known, and is a prefix of ours"""
    COMPARE = "compare"
    """the other side is longer: is ours its prefix?"""
    BISECT = "bisect"
    """contents differ: where is the last common point?"""
    SHORTER = "shorter"
    """ours, as far as it can be read, is a prefix of what is there: nothing to do, until more can"""
    REFUSED = "aside"
    """refused: set aside with the reason"""


@dataclass
class StreamRoute:
    """Route of one stream.

    `start`: our offset where the remote stream begins; positions are the remote stream's.

    `counted` is up to where in our stream records were counted as acknowledged, whatever became of them there afterwards.
    """

    stream: Stream
    remote_writer: str
    start: int = 0
    acked_position: Position = START
    acked_sealed: bool = False
    counted_until: int | None = None
    state: RouteState = RouteState.ASK
    reason: str | None = None
    retry_at: float | None = None
    """When to ask again for a stream that the token is not for."""
    checked_position: Position = START
    """While ours is shorter: our position that is known to be there, too."""
    low_index: int = 0
    boundaries: list[int] = field(default_factory=list)
    asked_index: int = 0

    @property
    def length(self) -> int:
        """Return how many of our bytes belong to the remote stream."""
        return self.stream.size - self.start

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to do for the stream as it is."""
        if self.state is RouteState.SEND:
            return self.acked_position.offset >= self.length and (self.acked_sealed or not self.stream.is_sealed)
        return self.state is RouteState.REFUSED or (
            self.state is RouteState.SHORTER and self.checked_position.offset >= self.length
        )

    def update_stream(self, stream: Stream) -> None:
        """Update the stream: longer, ended, or, in a restored folder, shorter than what was acknowledged."""
        self.stream = stream
        if self.state is RouteState.SEND and self.acked_position.offset > self.length:
            self.state = RouteState.COMPARE

    @property
    def delivered_offset(self) -> int:
        """Return the acknowledged offset of our stream, or the last known one while it is asked for again."""
        if self.state is RouteState.SHORTER:
            return max(self.start + self.checked_position.offset, self.counted_until or 0)
        return self.start + self.acked_position.offset if self.state is RouteState.SEND else self.counted_until or 0

    def advance_counted(self) -> tuple[int, int]:
        """Return the newly acknowledged range; bytes the server already had at the first query do not count."""
        if self.state is not RouteState.SEND:
            return 0, 0
        counted = self.delivered_offset if self.counted_until is None else self.counted_until
        self.counted_until = max(counted, self.delivered_offset)
        return counted, self.counted_until

    def reset_position(self) -> None:
        """Forget the receiver's state, also that our stream had to continue under another writer id."""
        self.remote_writer, self.start, self.acked_position, self.acked_sealed = self.stream.writer, 0, START, False
        self.state, self.boundaries = RouteState.ASK, []

    # -- what to say

    def build_next_item(self, source: Source, data: bytes) -> Item | None:
        """Build the next item from `data`, the frames after the known position.

        None if there is nothing to send yet.
        """
        if self.state is RouteState.ASK:
            return self.build_query(START)
        if self.state is RouteState.COMPARE:
            return self.build_query(self.compute_position(source, self.length))
        if self.state is RouteState.SHORTER:
            ours = self.compute_position(source, self.length)
            return self.build_query(ours) if ours.offset > self.checked_position.offset else None
        if self.state is RouteState.BISECT:
            return self.build_query(self.compute_position(source, self.boundaries[self.asked_index]))
        sealed = self.stream.is_sealed and self.acked_position.offset + len(data) == self.length
        if self.state is RouteState.REFUSED or (not data and (not sealed or self.acked_sealed)):
            return None
        return self.build_item(self.acked_position, data, sealed)

    def build_query(self, position: Position) -> Item:
        """Build an item that asks for the receiver's position, and for its crc at ours."""
        return self.build_item(position, b"", False)

    def build_item(self, position: Position, data: bytes, sealed: bool) -> Item:
        """Build an item of this route."""
        stream = self.stream
        return Item(
            project=stream.project,
            run=stream.run,
            writer=self.remote_writer,
            offset=position.offset,
            crc=position.crc,
            sealed=sealed,
            data=pack_item(data) if data else None,
        )

    def compute_position(self, source: Source, offset: int) -> Position:
        """Compute our position at an offset of the remote stream, or before it as far as frames are readable."""
        near = self.checked_position if self.state is RouteState.SHORTER else self.acked_position
        known, crc = near if near.offset <= offset else START
        for piece in self.iter_pieces(source, known):
            part = piece[: offset - known]
            known, crc = known + len(part), crc32(part, crc)
            if known == offset:
                break
        return Position(known, crc)

    def iter_pieces(self, source: Source, offset: int) -> Iterator[bytes]:
        """Yield our frames from an offset of the remote stream."""
        while piece := source.read(self.stream.writer, self.start + offset, READ_BYTES):
            yield piece
            offset += len(piece)

    # -- what is heard

    def apply_reply(self, source: Source, item: Item, reply: ItemReply) -> None:
        """Continue according to the reply to one of our items."""
        if reply.sealed and reply.position == item.position and item.data is not None:
            self.fork_stream(reply.offset)
        elif reply.status is ReplyStatus.REJECTED:
            self.mark_refused(reply.hint or "refused without a reason")
        elif reply.status in {ReplyStatus.STORED, ReplyStatus.DUPLICATE}:
            self.advance(reply)
        elif self.state is RouteState.COMPARE or self.state is RouteState.SHORTER:
            self.handle_comparison(source, item, reply)
        elif self.state is RouteState.BISECT:
            self.handle_bisection(item, reply)
        else:
            self.handle_moved(source, reply)

    def advance(self, reply: ItemReply) -> None:
        """Advance to the receiver's position.

        If the stream ended there but not here, ours continues as another.
        """
        if reply.sealed and reply.offset < self.length:
            self.fork_stream(reply.offset)
        else:
            self.state, self.acked_position, self.acked_sealed = RouteState.SEND, reply.position, reply.sealed

    def handle_moved(self, source: Source, reply: ItemReply) -> None:
        """Handle a receiver that is elsewhere: behind us, beyond what we can read, or with other content."""
        ours = self.compute_position_from_start(source, reply.offset)
        if ours == reply.position:
            self.advance(reply)
        elif ours.offset < reply.offset:
            self.state = RouteState.COMPARE
        else:
            self.start_bisection(source, reply.offset)

    def handle_comparison(self, source: Source, item: Item, reply: ItemReply) -> None:
        """Handle a receiver that is longer than we are: equal up to our end, or not."""
        if reply.offset <= item.offset:
            self.acked_position = START
            self.handle_moved(source, reply)
        elif reply.crc_at == item.crc:
            self.state, self.checked_position = RouteState.SHORTER, item.position
            self.acked_position, self.acked_sealed = START, False
        else:
            self.start_bisection(source, item.offset)

    def start_bisection(self, source: Source, end: int) -> None:
        """Start a bisection: contents differ before `high`, so find the last common frame boundary.

        If our bytes cannot be read that far, ask again later.
        """
        self.acked_position, self.state = START, RouteState.BISECT
        self.boundaries, offset = [0], 0
        for piece in self.iter_pieces(source, 0):
            self.boundaries += [offset + at for at, _ in iterate_frames(piece)][1 if offset == 0 else 0 :]
            offset += len(piece)
            if offset >= end:
                break
        if offset < end:
            self.reset_position()
            return
        self.boundaries = [boundary for boundary in self.boundaries if boundary <= end]
        self.low_index = 0
        self.choose_middle()

    def handle_bisection(self, item: Item, reply: ItemReply) -> None:
        """Continue the bisection with one half, if our bytes up to the middle are readable."""
        if item.offset < self.boundaries[self.asked_index]:
            self.reset_position()
            return
        if reply.crc_at == item.crc:
            self.low_index = self.asked_index
        else:
            del self.boundaries[self.asked_index :]
        self.choose_middle()

    def choose_middle(self) -> None:
        """Ask in the middle of the remaining range.

        At its end, continue after the common part as a new stream.
        """
        if self.low_index + 1 < len(self.boundaries):
            self.asked_index = (self.low_index + len(self.boundaries)) // 2
        else:
            self.fork_stream(self.boundaries[self.low_index])

    def fork_stream(self, offset: int) -> None:
        """Continue after an offset of the remote stream as a new stream."""
        point = self.start + offset
        self.remote_writer = derive_writer_id(self.remote_writer, point)
        self.start, self.acked_position, self.acked_sealed, self.state = point, START, False, RouteState.ASK
        self.boundaries = []

    def skip_frame(self, size: int) -> None:
        """Leave out a frame: the remote stream ends before it, and a new one continues after it."""
        self.counted_until = max(self.counted_until or 0, self.delivered_offset + size)
        self.fork_stream(self.acked_position.offset + size)

    def mark_refused(self, reason: str) -> None:
        """Stop sending this stream, with the reason."""
        self.state, self.reason = RouteState.REFUSED, reason

    def compute_position_from_start(self, source: Source, offset: int) -> Position:
        """Compute our position from the start of the stream, whatever was acknowledged before."""
        self.acked_position = START if self.acked_position.offset > offset else self.acked_position
        return self.compute_position(source, offset)
