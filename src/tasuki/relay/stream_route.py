"""Where one stream of ours goes on the other side: which writer it is there, and how far it has come.

Usually it is the same writer from its beginning. When the other side has other content under that writer (a cloned folder, a
restored virtual machine), what follows the last common point goes on as a new writer, derived from the old one and that point.
Nothing is concluded from what can't be read here: on a volume, pages may be missing for a while.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from zlib_ng.zlib_ng import crc32

from tasuki.journal import Source, Stream, derived_writer
from tasuki.records import START, Item, ItemReply, Position, ReplyStatus, frames, pack_item

__all__ = ["RouteState", "StreamRoute"]

READ_BYTES = 1024 * 1024


class RouteState(Enum):
    """What the sender has to find out or do next for a stream."""

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
    ASIDE = "aside"
    """refused: set aside with the reason"""


@dataclass
class StreamRoute:
    """One stream's way. `start` is where in our stream the remote one begins; positions are the remote stream's.

    `counted` is up to where in our stream records were counted as acknowledged, whatever became of them there afterwards.
    """

    stream: Stream
    remote_writer: str
    start: int = 0
    acked: Position = START
    acked_sealed: bool = False
    counted: int | None = None
    state: RouteState = RouteState.ASK
    reason: str | None = None
    again_at: float | None = None
    """When to ask again for a stream that the token is not for."""
    checked: Position = START
    """While ours is shorter: our position that is known to be there, too."""
    low: int = 0
    boundaries: list[int] = field(default_factory=list)
    asked: int = 0

    @property
    def length(self) -> int:
        """How many bytes of ours belong to the remote stream."""
        return self.stream.size - self.start

    @property
    def is_done(self) -> bool:
        """Nothing is left to do for the stream as it is."""
        if self.state is RouteState.SEND:
            return self.acked.offset >= self.length and (self.acked_sealed or not self.stream.sealed)
        return self.state is RouteState.ASIDE or (self.state is RouteState.SHORTER and self.checked.offset >= self.length)

    def look(self, stream: Stream) -> None:
        """The stream now: longer, ended, or, in a restored folder, shorter than what was acknowledged."""
        self.stream = stream
        if self.state is RouteState.SEND and self.acked.offset > self.length:
            self.state = RouteState.COMPARE

    @property
    def reached(self) -> int:
        """How far our stream is known to have come on the other side, or was before all had to be asked again."""
        if self.state is RouteState.SHORTER:
            return max(self.start + self.checked.offset, self.counted or 0)
        return self.start + self.acked.offset if self.state is RouteState.SEND else self.counted or 0

    def count(self) -> tuple[int, int]:
        """From where to where in our stream records are newly acknowledged; what was there when we first asked is not new."""
        if self.state is not RouteState.SEND:
            return 0, 0
        counted = self.reached if self.counted is None else self.counted
        self.counted = max(counted, self.reached)
        return counted, self.counted

    def ask_again(self) -> None:
        """What is known of the other side may no longer be so, not even that our stream had to go on under another name there."""
        self.remote_writer, self.start, self.acked, self.acked_sealed = self.stream.writer, 0, START, False
        self.state, self.boundaries = RouteState.ASK, []

    # -- what to say

    def item(self, source: Source, data: bytes) -> Item | None:
        """The next thing to say, `data` being the frames behind the known position; None if there is nothing to say (yet)."""
        if self.state is RouteState.ASK:
            return self.question(START)
        if self.state is RouteState.COMPARE:
            return self.question(self.position(source, self.length))
        if self.state is RouteState.SHORTER:
            ours = self.position(source, self.length)
            return self.question(ours) if ours.offset > self.checked.offset else None
        if self.state is RouteState.BISECT:
            return self.question(self.position(source, self.boundaries[self.asked]))
        sealed = self.stream.sealed and self.acked.offset + len(data) == self.length
        if self.state is RouteState.ASIDE or (not data and (not sealed or self.acked_sealed)):
            return None
        return self.statement(self.acked, data, sealed)

    def question(self, position: Position) -> Item:
        """An item that asks for the position there, and for the crc at ours."""
        return self.statement(position, b"", False)

    def statement(self, position: Position, data: bytes, sealed: bool) -> Item:
        """An item of this route."""
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

    def position(self, source: Source, offset: int) -> Position:
        """Our own position at an offset of the remote stream, or as far before it as our frames can be read now."""
        near = self.checked if self.state is RouteState.SHORTER else self.acked
        known, crc = near if near.offset <= offset else START
        for piece in self.pieces(source, known):
            part = piece[: offset - known]
            known, crc = known + len(part), crc32(part, crc)
            if known == offset:
                break
        return Position(known, crc)

    def pieces(self, source: Source, offset: int) -> Iterator[bytes]:
        """Our frames from an offset of the remote stream."""
        while piece := source.read(self.stream.writer, self.start + offset, READ_BYTES):
            yield piece
            offset += len(piece)

    # -- what is heard

    def hear(self, source: Source, item: Item, reply: ItemReply) -> None:
        """Go on according to the answer to an item of ours."""
        if reply.sealed and reply.position == item.position and item.data is not None:
            self.reissue(reply.offset)
        elif reply.status is ReplyStatus.REJECTED:
            self.set_aside(reply.hint or "refused without a reason")
        elif reply.status in {ReplyStatus.STORED, ReplyStatus.DUPLICATE}:
            self.advance(reply)
        elif self.state is RouteState.COMPARE or self.state is RouteState.SHORTER:
            self.compared(source, item, reply)
        elif self.state is RouteState.BISECT:
            self.bisected(item, reply)
        else:
            self.moved(source, reply)

    def advance(self, reply: ItemReply) -> None:
        """The other side has our bytes up to its position; if the stream has ended there but not here, ours goes on as another."""
        if reply.sealed and reply.offset < self.length:
            self.reissue(reply.offset)
        else:
            self.state, self.acked, self.acked_sealed = RouteState.SEND, reply.position, reply.sealed

    def moved(self, source: Source, reply: ItemReply) -> None:
        """The other side is somewhere else: before us, beyond what can be read of us, or on another way."""
        ours = self.position_from_start(source, reply.offset)
        if ours == reply.position:
            self.advance(reply)
        elif ours.offset < reply.offset:
            self.state = RouteState.COMPARE
        else:
            self.begin_bisect(source, reply.offset)

    def compared(self, source: Source, item: Item, reply: ItemReply) -> None:
        """The other side is longer than we are; equal up to here, or not."""
        if reply.offset <= item.offset:
            self.acked = START
            self.moved(source, reply)
        elif reply.crc_at == item.crc:
            self.state, self.checked = RouteState.SHORTER, item.position
            self.acked, self.acked_sealed = START, False
        else:
            self.begin_bisect(source, item.offset)

    def begin_bisect(self, source: Source, high: int) -> None:
        """Contents differ before `high`: look for the last common boundary between frames. Where we can't read so far, ask anew."""
        self.acked, self.state = START, RouteState.BISECT
        self.boundaries, offset = [0], 0
        for piece in self.pieces(source, 0):
            self.boundaries += [offset + at for at, _ in frames(piece)][1 if offset == 0 else 0 :]
            offset += len(piece)
            if offset >= high:
                break
        if offset < high:
            self.ask_again()
            return
        self.boundaries = [boundary for boundary in self.boundaries if boundary <= high]
        self.low = 0
        self.ask_middle()

    def bisected(self, item: Item, reply: ItemReply) -> None:
        """One half is left, if we could read up to the middle."""
        if item.offset < self.boundaries[self.asked]:
            self.ask_again()
            return
        if reply.crc_at == item.crc:
            self.low = self.asked
        else:
            del self.boundaries[self.asked :]
        self.ask_middle()

    def ask_middle(self) -> None:
        """Ask in the middle of what is left; at the end, what follows the common point becomes a new stream."""
        if self.low + 1 < len(self.boundaries):
            self.asked = (self.low + len(self.boundaries)) // 2
        else:
            self.reissue(self.boundaries[self.low])

    def reissue(self, offset: int) -> None:
        """What follows an offset of the remote stream goes on as a new stream."""
        point = self.start + offset
        self.remote_writer = derived_writer(self.remote_writer, point)
        self.start, self.acked, self.acked_sealed, self.state = point, START, False, RouteState.ASK
        self.boundaries = []

    def pass_over(self, size: int) -> None:
        """Leave a frame out: the stream ends there before it, and what follows goes on as a new one."""
        self.counted = max(self.counted or 0, self.reached + size)
        self.reissue(self.acked.offset + size)

    def set_aside(self, reason: str) -> None:
        """Say no more of this stream."""
        self.state, self.reason = RouteState.ASIDE, reason

    def position_from_start(self, source: Source, offset: int) -> Position:
        """Our own position, whatever was acknowledged before."""
        self.acked = START if self.acked.offset > offset else self.acked
        return self.position(source, offset)
