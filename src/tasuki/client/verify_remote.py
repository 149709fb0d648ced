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
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.journal import JournalFileInfo, JournalFolder, Liveness, derive_writer_id, find_damage
from tasuki.records import Item, ItemReply, Position, ReplicateResponse, ReplyStatus, iterate_frames
from tasuki.relay.http_transport import HttpTransport, Token
from tasuki.relay.state.dead_letters import DeadLetter, derive_retry_writer
from tasuki.relay.state.remote_state import RemoteState
from tasuki.relay.sync_once import matches_project

__all__ = [
    "ComparableRemote",
    "RemoteStream",
    "ServerStreams",
    "StreamDifference",
    "VerifiedStream",
    "VerifyResult",
    "compare_with_remote",
]

MAX_ITEMS_PER_REQUEST = 1000
ARRIVAL_TIMEOUT_SECONDS = 3.0
POLL_SECONDS = 0.1


class RemoteStream(NamedTuple):
    """A stream at the remote: its length, and the sha256 of its frames (None if damaged)."""

    offset: int
    sha256: str | None


class ComparableRemote(Protocol):
    """A remote that a folder is compared with."""

    def replicate(self, items: list[Item]) -> ReplicateResponse:
        """Ask for positions."""
        ...

    def list_streams(self, project: str) -> Mapping[str, RemoteStream]:
        """Return the remote's streams of a project by writer, every frame read for its sha256."""
        ...


class StreamDifference(NamedTuple):
    """A stream that differs; `records` of ours are missing at the remote."""

    project: str
    run: str
    writer: str
    description: str
    missing_records: int


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
    verified_streams: Sequence[VerifiedStream] = ()


class LocalStream(NamedTuple):
    """A local stream, or a part of it under another writer id.

    Its end, and the crc at every frame boundary.
    """

    journal: JournalFileInfo
    remote_writer: str
    end: Position
    sha256: str
    records: int
    damaged_at: int | None
    checkpoints: dict[int, tuple[int, int]]
    """By offset: the rolling crc, and how many records lie before."""
    is_continued: bool = False
    """The remote has somebody else's frames behind these, and ours under another name."""
    is_alive: bool = False
    """Its owner writes, and sends, at the same time."""


def compare_with_remote(
    folder: JournalFolder,
    remote: ComparableRemote,
    remote_state: RemoteState,
    *,
    project: str | None = None,
    runs: Collection[str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> VerifyResult:
    """Compare the synced streams of a folder, of one project, or of some runs."""
    chosen = (
        journal
        for journal in folder.journals(project=project)
        if matches_project(project, journal.header.project) and (runs is None or journal.header.run in runs)
    )
    ours = [part for journal in chosen for part in split_journal(folder, journal, remote_state)]
    replies = wait_for_arrival(remote, ours, clock)
    held = {name: remote.list_streams(name) for name in sorted({part.journal.header.project for part in ours})}
    writers = {part.journal.header.writer for part in ours}
    differences = [
        describe_dead_letter(frame)
        for frame in remote_state.dead_letters.list_undelivered()
        if frame.end is not None and frame.writer in writers
    ]
    for part in ours:
        reply = replies[part.remote_writer]
        what, records = find_difference(part, reply, held[part.journal.header.project].get(part.remote_writer))
        if what and part.is_alive and reply.crc_at == part.end.crc and read_current_length(folder, part.journal) >= reply.offset:
            what = None  # both have gone on since
        if part.damaged_at is not None:
            what = f"damaged here at {part.damaged_at}" + (f"; {what}" if what else "")
        if what:
            header = part.journal.header
            differences.append(StreamDifference(header.project, header.run, header.writer, what, records))
    proven = [
        VerifiedStream(part.journal.header.project, part.journal.header.run, part.remote_writer, part.end.offset, part.sha256)
        for part in ours
    ]
    return VerifyResult(len(ours), sum(part.records for part in ours), differences, proven)


def describe_dead_letter(dead_letter: DeadLetter) -> StreamDifference:
    """Build the difference of a record that the remote refused."""
    return StreamDifference(
        dead_letter.project, dead_letter.run, dead_letter.writer, f"set aside at {dead_letter.start}: {dead_letter.reason}", 1
    )


def split_journal(folder: JournalFolder, journal: JournalFileInfo, remote_state: RemoteState) -> list[LocalStream]:
    """Split a journal into its remote streams: one, or several if it continues under other writer ids."""
    ack = remote_state.acks.by_writer.get(journal.header.writer)
    with folder.open_reader(journal) as view:
        data = b"".join(view.read_pieces())
        hole = find_damage(view, len(data))
    place = hole.offset if hole else None
    writer = journal.header.writer
    if cuts := list(remote_state.dead_letters.iter_frames(writer)):
        return split_around_dead_letters(journal, data, cuts, place)
    if ack is None or ack.start == 0:
        alive = bool(journal.header.remote) and folder.check_liveness(journal) is Liveness.ALIVE
        return [measure_stream(journal, writer, data, place)._replace(is_alive=alive)]
    rest = measure_stream(journal, ack.remote_writer, data[ack.start :], place)
    if ack.remote_writer != derive_writer_id(writer, ack.start):
        return [rest]  # it was cut more than once: where first, is not known here
    return [measure_stream(journal, writer, data[: ack.start], None, is_continued=True), rest]


def split_around_dead_letters(
    journal: JournalFileInfo, data: bytes, dead_letters: list[DeadLetter], damaged_at: int | None
) -> list[LocalStream]:
    """Yield the remote streams that together hold a journal with dead letters.

    The ranges between dead letters, and each dead letter that was delivered later.
    """
    found, name, start = [], journal.header.writer, 0
    for cut in dead_letters:
        end = cut.end or cut.start
        found.append(measure_stream(journal, name, data[start : cut.start], None))
        if cut.over:
            found.append(measure_stream(journal, derive_retry_writer(cut), data[cut.start : end], None))
        name, start = derive_writer_id(name, end), end
    return [*found, measure_stream(journal, name, data[start:], damaged_at)]


def measure_stream(
    journal: JournalFileInfo, remote_writer: str, data: bytes, damaged_at: int | None, *, is_continued: bool = False
) -> LocalStream:
    """Compute lengths and checksums of one stream."""
    places, crc, end, records = {0: (0, 0)}, 0, 0, 0
    for offset, payload in iterate_frames(data):
        end, records = offset + 8 + len(payload), records + 1
        crc = crc32(data[offset:end], crc)
        places[end] = (crc, records)
    sha256 = hashlib.sha256(data[:end]).hexdigest()
    return LocalStream(journal, remote_writer, Position(end, crc), sha256, records, damaged_at, places, is_continued)


def query_positions(remote: ComparableRemote, local_streams: list[LocalStream]) -> Iterable[tuple[str, ItemReply]]:
    """Yield the remote's reply for each stream, asked at its end."""
    for first in range(0, len(local_streams), MAX_ITEMS_PER_REQUEST):
        asked = [
            Item(
                project=part.journal.header.project,
                run=part.journal.header.run,
                writer=part.remote_writer,
                offset=part.end.offset,
                crc=part.end.crc,
            )
            for part in local_streams[first : first + MAX_ITEMS_PER_REQUEST]
        ]
        yield from ((reply.writer, reply) for reply in remote.replicate(asked).items)


def wait_for_arrival(remote: ComparableRemote, local_streams: list[LocalStream], clock: Clock) -> dict[str, ItemReply]:
    """Return the remote's replies once all records had time to arrive."""
    replies = dict(query_positions(remote, local_streams))
    deadline = clock.monotonic() + ARRIVAL_TIMEOUT_SECONDS
    while late := [part for part in local_streams if part.is_alive and replies[part.remote_writer].offset < part.end.offset]:
        if clock.monotonic() > deadline:
            break
        clock.sleep(POLL_SECONDS)
        replies |= query_positions(remote, late)
    return replies


def read_current_length(folder: JournalFolder, journal: JournalFileInfo) -> int:
    """Return the current length of a journal's frames, in bytes."""
    found = folder.inspect_file(journal.path)
    return found.size if isinstance(found, JournalFileInfo) else 0


def find_difference(local_stream: LocalStream, reply: ItemReply, remote_stream: RemoteStream | None) -> tuple[str | None, int]:
    """Compare one stream: return the difference, and how many of its records the remote lacks."""
    if reply.status is ReplyStatus.DUPLICATE:
        if local_stream.end.offset == 0 or (remote_stream is not None and remote_stream.sha256 == local_stream.sha256):
            return None, 0
        if (
            local_stream.is_alive
            and remote_stream is not None
            and remote_stream.sha256 is not None
            and remote_stream.offset > local_stream.end.offset
        ):
            return None, 0  # it has gone on between the two questions
        return "the frames there are damaged", local_stream.records
    if reply.offset > local_stream.end.offset:
        if reply.crc_at == local_stream.end.crc and local_stream.is_continued:
            return None, 0
        if reply.crc_at == local_stream.end.crc:
            return f"source shorter: {reply.offset - local_stream.end.offset} more bytes are there", 0
        return "the contents differ", local_stream.records
    crc, records = local_stream.checkpoints.get(reply.offset, (None, 0))
    if crc != reply.crc:
        return "the contents differ", local_stream.records
    return f"{local_stream.records - records} records are missing there, from {reply.offset} on", local_stream.records - records


PAGE_SIZE = 1000


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

    def list_streams(self, project: str) -> Mapping[str, RemoteStream]:
        """Return the server's streams of a project by writer, every frame read for its sha256."""
        rows = self.query.iter_rows("streams", "streams", StreamListRow, {"project": project, "digest": 1, "limit": PAGE_SIZE})
        return {row.writer: RemoteStream(row.offset, None if row.damaged else row.sha256) for row in rows}
