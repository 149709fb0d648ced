"""Store in memory without SQL, indexes or caches: the reference implementation for tests.

`MemoryStore` receives streams (`StreamStore`), is a `Source` of a projection, and answers queries (`Query`).
"""

import secrets
from collections.abc import Collection, Iterator, Sequence

from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import DataError
from tasuki.journal import Liveness, Stream
from tasuki.records import (
    START,
    Item,
    ItemReply,
    Position,
    ReplyStatus,
    RunEdit,
    RunRow,
    encode,
    encode_frame,
    iterate_frames,
    unpack_item,
)
from tasuki.store import EditBuilder, build_deletion, build_update, compute_edit_time
from tasuki.testing.reference_store.queries import ReferenceQueries
from tasuki.testing.reference_store.received_streams import ReceivedStream

__all__ = ["MemoryStore"]


class MemoryStore(ReferenceQueries):
    """Streams in a dict, with every interface of a store."""

    def close(self) -> None:
        """Do nothing: no file or connection is open."""

    # -- StreamStore

    def append(self, items: Sequence[Item]) -> list[ItemReply]:
        """Compare and append; return a reply per item."""
        return [self.append_item(item) for item in items]

    def append_item(self, item: Item) -> ItemReply:
        """Compare and append one item."""
        kept = self.received.get(item.writer) or ReceivedStream(item.project, item.run)
        here = kept.position
        try:
            if (kept.project, kept.run) != (item.project, item.run):
                raise DataError(f"writer {item.writer} is of project {kept.project!r}, run {kept.run!r}")
            data = unpack_item(item.data) if item.data is not None else b""
            if kept.is_sealed and not kept.is_purged and data and item.position == here:
                raise DataError(f"writer {item.writer} has been sealed at {here.offset}")
        except DataError as error:
            return ItemReply(
                writer=item.writer,
                status=ReplyStatus.REJECTED,
                offset=here.offset,
                crc=here.crc,
                sealed=kept.is_sealed,
                hint=error.message,
            )
        end = Position(item.offset + len(data), crc32(data, item.crc))
        if kept.is_purged:
            return ItemReply(writer=item.writer, status=ReplyStatus.STORED, offset=end.offset, crc=end.crc, sealed=item.sealed)
        status, crc_at = ReplyStatus.MOVED, None
        if item.position == here and (data or item.sealed):
            status = ReplyStatus.STORED
            kept.data += data
            self.received[item.writer] = kept
        elif end == here:
            status = ReplyStatus.DUPLICATE
        elif item.offset <= here.offset:
            crc_at = crc32(kept.data[: item.offset])
        if status is not ReplyStatus.MOVED and item.writer in self.received:
            kept.is_sealed = kept.is_sealed or item.sealed
        here = kept.position
        return ItemReply(writer=item.writer, status=status, offset=here.offset, crc=here.crc, sealed=kept.is_sealed, crc_at=crc_at)

    def positions(self, writers: Collection[str]) -> dict[str, Position]:
        """Return the position of each writer; (0, 0) for an unknown one."""
        return {writer: self.received[writer].position if writer in self.received else START for writer in writers}

    def purge(self, project: str, run: str) -> int:
        """Drop the streams of a run, leaving tombstones; return their number."""
        found = [kept for kept in self.received.values() if (kept.project, kept.run) == (project, run) and not kept.is_purged]
        for kept in found:
            kept.data, kept.is_purged = b"", True
        return len(found)

    # -- RunEditor

    def edit(self, project: str, run: str, change: RunEdit) -> RunRow:
        """Change fields and tags of a run; return the run as changed."""
        row = self.run(project, run)
        self.add_edit(row, build_update(change))
        return self.run(project, row.id)

    def delete(self, project: str, run: str) -> RunRow:
        """Delete a run; return the run as it was."""
        row = self.run(project, run)
        self.add_edit(row, build_deletion())
        return row

    def add_edit(self, row: RunRow, edit: EditBuilder) -> None:
        """Add a stream with one record to a run."""
        stream = ReceivedStream(row.project, row.id)
        stream.data, stream.is_sealed = encode_frame(encode(edit(compute_edit_time(row, SYSTEM_CLOCK)))), True
        self.received[secrets.token_hex(16)] = stream

    # -- Source

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield every stream except the `known` ones."""
        for writer, kept in sorted(self.received.items()):
            if writer not in exclude and not kept.is_purged:
                yield Stream(writer, kept.project, kept.run, len(kept.data), kept.is_sealed)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Return whole frames from `offset`."""
        data, end = self.received[writer].data[offset:], 0
        for start, payload in iterate_frames(data):
            end = start + 8 + len(payload)
            if end >= limit_bytes:
                break
        return data[:end]

    def check_liveness(self, writer: str) -> Liveness:
        """Return DEAD for a sealed stream, UNKNOWN for any other."""
        return Liveness.DEAD if self.received[writer].is_sealed else Liveness.UNKNOWN
