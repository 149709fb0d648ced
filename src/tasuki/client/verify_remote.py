"""Verify a remote's copy of a folder: length and sha256 of the frames of each stream, on both sides.

Streams may grow meanwhile: what a stream had when it was looked at has some time to arrive, and what follows does not count.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import msgspec
from zlib_ng.zlib_ng import crc32

from tasuki.client.http_query import HttpQuery
from tasuki.clock import SYSTEM, Clock
from tasuki.journal import JournalFileInfo, JournalFolder, Liveness, derived_writer, find_hole
from tasuki.records import Item, ItemReply, Position, ReplicateResponse, ReplyStatus, frames
from tasuki.relay.http_transport import HttpTransport, Token
from tasuki.relay.state.dead_letters import DeadLetter, lone_writer
from tasuki.relay.state.remote_state import RemoteState
from tasuki.relay.sync_once import is_meant

__all__ = ["ComparableRemote", "RemoteStream", "ServerStreams", "StreamDifference", "VerifiedStream", "VerifyResult", "compare"]

ASK_AT_ONCE = 1000
ARRIVING_SECONDS = 3.0
LOOK_SECONDS = 0.1


class RemoteStream(NamedTuple):
    """A stream at the remote: its length, and the sha256 of its frames (None if damaged)."""

    offset: int
    sha256: str | None


class ComparableRemote(Protocol):
    """A remote that a folder is compared with."""

    def replicate(self, items: list[Item]) -> ReplicateResponse:
        """Ask for positions."""
        ...

    def held(self, project: str) -> Mapping[str, RemoteStream]:
        """Return the remote's streams of a project by writer, every frame read for its sha256."""
        ...


class StreamDifference(NamedTuple):
    """A stream that differs; `records` of ours are missing at the remote."""

    project: str
    run: str
    writer: str
    what: str
    records: int


class VerifiedStream(NamedTuple):
    """A stream that is equal on both sides."""

    project: str
    run: str
    writer: str
    bytes: int
    sha256: str


class VerifyResult(NamedTuple):
    """Streams and records compared, differences, and verified streams."""

    streams: int
    records: int
    differences: list[StreamDifference]
    proven: Sequence[VerifiedStream] = ()


class LocalStream(NamedTuple):
    """A local stream, or a part of it under another writer id.

    Its end, and the crc at every frame boundary.
    """

    journal: JournalFileInfo
    remote_writer: str
    end: Position
    sha256: str
    records: int
    hole: int | None
    places: dict[int, tuple[int, int]]
    """By offset: the rolling crc, and how many records lie before."""
    goes_on: bool = False
    """The remote has somebody else's frames behind these, and ours under another name."""
    alive: bool = False
    """Its owner writes, and sends, at the same time."""


def compare(
    folder: JournalFolder,
    remote: ComparableRemote,
    kept: RemoteState,
    *,
    project: str | None = None,
    runs: Collection[str] | None = None,
    clock: Clock = SYSTEM,
) -> VerifyResult:
    """Compare the synced streams of a folder, of one project, or of some runs."""
    chosen = (
        journal
        for journal in folder.journals(project=project)
        if is_meant(project, journal.header.project) and (runs is None or journal.header.run in runs)
    )
    ours = [part for journal in chosen for part in parts(folder, journal, kept)]
    replies = arrived(remote, ours, clock)
    held = {name: remote.held(name) for name in sorted({part.journal.header.project for part in ours})}
    writers = {part.journal.header.writer for part in ours}
    differences = [missing(frame) for frame in kept.aside.waiting() if frame.end is not None and frame.writer in writers]
    for part in ours:
        reply = replies[part.remote_writer]
        what, records = judged(part, reply, held[part.journal.header.project].get(part.remote_writer))
        if what and part.alive and reply.crc_at == part.end.crc and length_now(folder, part.journal) >= reply.offset:
            what = None  # both have gone on since
        if part.hole is not None:
            what = f"damaged here at {part.hole}" + (f"; {what}" if what else "")
        if what:
            header = part.journal.header
            differences.append(StreamDifference(header.project, header.run, header.writer, what, records))
    proven = [
        VerifiedStream(part.journal.header.project, part.journal.header.run, part.remote_writer, part.end.offset, part.sha256)
        for part in ours
    ]
    return VerifyResult(len(ours), sum(part.records for part in ours), differences, proven)


def missing(frame: DeadLetter) -> StreamDifference:
    """Build the difference of a record that the remote refused."""
    return StreamDifference(frame.project, frame.run, frame.writer, f"set aside at {frame.start}: {frame.reason}", 1)


def parts(folder: JournalFolder, journal: JournalFileInfo, kept: RemoteState) -> list[LocalStream]:
    """Split a journal into its remote streams: one, or several if it continues under other writer ids."""
    ack = kept.acks.acks.get(journal.header.writer)
    with folder.view(journal) as view:
        data = b"".join(view.pieces())
        hole = find_hole(view, len(data))
    place = hole.offset if hole else None
    writer = journal.header.writer
    if cuts := list(kept.aside.frames_of(writer)):
        return around(journal, data, cuts, place)
    if ack is None or ack.start == 0:
        alive = bool(journal.header.remote) and folder.judge(journal) is Liveness.ALIVE
        return [measured(journal, writer, data, place)._replace(alive=alive)]
    rest = measured(journal, ack.remote_writer, data[ack.start :], place)
    if ack.remote_writer != derived_writer(writer, ack.start):
        return [rest]  # it was cut more than once: where first, is not known here
    return [measured(journal, writer, data[: ack.start], None, goes_on=True), rest]


def around(journal: JournalFileInfo, data: bytes, cuts: list[DeadLetter], hole: int | None) -> list[LocalStream]:
    """Yield the remote streams that together hold a journal with dead letters.

    The ranges between dead letters, and each dead letter that was delivered later.
    """
    found, name, start = [], journal.header.writer, 0
    for cut in cuts:
        end = cut.end or cut.start
        found.append(measured(journal, name, data[start : cut.start], None))
        if cut.over:
            found.append(measured(journal, lone_writer(cut), data[cut.start : end], None))
        name, start = derived_writer(name, end), end
    return [*found, measured(journal, name, data[start:], hole)]


def measured(journal: JournalFileInfo, remote_writer: str, data: bytes, hole: int | None, *, goes_on: bool = False) -> LocalStream:
    """Compute lengths and checksums of one stream."""
    places, crc, end, records = {0: (0, 0)}, 0, 0, 0
    for offset, payload in frames(data):
        end, records = offset + 8 + len(payload), records + 1
        crc = crc32(data[offset:end], crc)
        places[end] = (crc, records)
    sha256 = hashlib.sha256(data[:end]).hexdigest()
    return LocalStream(journal, remote_writer, Position(end, crc), sha256, records, hole, places, goes_on)


def positions(remote: ComparableRemote, ours: list[LocalStream]) -> Iterable[tuple[str, ItemReply]]:
    """Yield the remote's reply for each stream, asked at its end."""
    for first in range(0, len(ours), ASK_AT_ONCE):
        asked = [
            Item(
                project=part.journal.header.project,
                run=part.journal.header.run,
                writer=part.remote_writer,
                offset=part.end.offset,
                crc=part.end.crc,
            )
            for part in ours[first : first + ASK_AT_ONCE]
        ]
        yield from ((reply.writer, reply) for reply in remote.replicate(asked).items)


def arrived(remote: ComparableRemote, ours: list[LocalStream], clock: Clock) -> dict[str, ItemReply]:
    """Return the remote's replies once all records had time to arrive."""
    replies = dict(positions(remote, ours))
    deadline = clock.monotonic() + ARRIVING_SECONDS
    while late := [part for part in ours if part.alive and replies[part.remote_writer].offset < part.end.offset]:
        if clock.monotonic() > deadline:
            break
        clock.sleep(LOOK_SECONDS)
        replies |= positions(remote, late)
    return replies


def length_now(folder: JournalFolder, journal: JournalFileInfo) -> int:
    """Return the current length of a journal's frames, in bytes."""
    found = folder.look(journal.path)
    return found.size if isinstance(found, JournalFileInfo) else 0


def judged(part: LocalStream, reply: ItemReply, held: RemoteStream | None) -> tuple[str | None, int]:
    """Compare one stream: return the difference, and how many of its records the remote lacks."""
    if reply.status is ReplyStatus.DUPLICATE:
        if part.end.offset == 0 or (held is not None and held.sha256 == part.sha256):
            return None, 0
        if part.alive and held is not None and held.sha256 is not None and held.offset > part.end.offset:
            return None, 0  # it has gone on between the two questions
        return "the frames there are damaged", part.records
    if reply.offset > part.end.offset:
        if reply.crc_at == part.end.crc and part.goes_on:
            return None, 0
        if reply.crc_at == part.end.crc:
            return f"source shorter: {reply.offset - part.end.offset} more bytes are there", 0
        return "the contents differ", part.records
    crc, records = part.places.get(reply.offset, (None, 0))
    if crc != reply.crc:
        return "the contents differ", part.records
    return f"{part.records - records} records are missing there, from {reply.offset} on", part.records - records


PAGE = 1000


class StreamListRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in a server's list."""

    writer: str
    offset: int
    sha256: str | None = None
    damaged: bool = False


class ServerStreams:
    """The streams of one server."""

    def __init__(self, remote: str, token: Token = None) -> None:
        self.transport = HttpTransport(remote, token=token)
        self.query = HttpQuery(remote, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.transport.close()
        self.query.close()

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Ask for positions, or send items."""
        return self.transport.replicate(items)

    def held(self, project: str) -> Mapping[str, RemoteStream]:
        """Return the server's streams of a project by writer, every frame read for its sha256."""
        rows = self.query.rows("streams", "streams", StreamListRow, {"project": project, "digest": 1, "limit": PAGE})
        return {row.writer: RemoteStream(row.offset, None if row.damaged else row.sha256) for row in rows}
