"""Dead letters of a remote.

`aside/<remote>.log`, append-only JSON lines that any number of processes add to.

A line is an `DeadLetter`; of several with the same writer and start the last one holds. The bytes themselves stay in the journal.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tasuki.journal import Source, derive_writer_id
from tasuki.records import START, Item, pack_item
from tasuki.relay.state.acks import remote_file_path

__all__ = ["DeadLetter", "DeadLetterLog", "build_retry_item", "dead_letters_path", "derive_retry_writer"]

encode = msgspec.json.Encoder().encode


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that was set aside, or, without an `end`, the rest of a stream from `start`.

    Offsets are those of our stream, `time` is microseconds UTC. `over`: a frame was delivered after all, as a stream of its own; a
    stream is tried again.
    """

    project: str
    run: str
    writer: str
    start: int
    end: int | None = None
    reason: str = ""
    time: int = 0
    over: bool = False


decode = msgspec.json.Decoder(DeadLetter).decode


class DeadLetterLog:
    """The dead letters of one remote; without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.frames: dict[str, dict[int, DeadLetter]] = {}
        self.streams: dict[str, DeadLetter] = {}
        if path is not None and path.exists():
            for line in path.read_bytes().splitlines():
                self.parse_line(line)

    def parse_line(self, line: bytes) -> None:
        """Read one line; skip a torn one: its frame will be set aside again."""
        try:
            self.apply(decode(line))
        except msgspec.DecodeError:
            return

    def apply(self, dead_letter: DeadLetter) -> None:
        """Keep the latest state of a dead letter."""
        if dead_letter.end is not None:
            self.frames.setdefault(dead_letter.writer, {})[dead_letter.start] = dead_letter
        elif dead_letter.over:
            self.streams.pop(dead_letter.writer, None)
        else:
            self.streams[dead_letter.writer] = dead_letter

    def record(self, dead_letter: DeadLetter) -> None:
        """Record a dead letter, in one write."""
        self.apply(dead_letter)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, encode(dead_letter) + b"\n")
            finally:
                os.close(descriptor)

    def list_undelivered(self) -> list[DeadLetter]:
        """Return all dead letters that wait."""
        frames = [aside for of_writer in self.frames.values() for aside in of_writer.values() if not aside.over]
        return sorted([*frames, *self.streams.values()], key=lambda aside: (aside.time, aside.writer, aside.start))

    def find_frame(self, writer: str, offset: int) -> DeadLetter | None:
        """Return the dead letter of the frame at this offset, whatever became of it."""
        return self.frames.get(writer, {}).get(offset)

    def find_next_start(self, writer: str, offset: int) -> int | None:
        """Return the offset of the next frame that is set aside."""
        return min((start for start in self.frames.get(writer, ()) if start >= offset), default=None)

    def iter_frames(self, writer: str) -> Iterator[DeadLetter]:
        """Yield the dead letters of a stream's frames, in order."""
        return (aside for _, aside in sorted(self.frames.get(writer, {}).items()))


def dead_letters_path(folder: Path, remote: str) -> Path:
    """Return the path of a remote's dead letters in a data folder."""
    return remote_file_path(folder / "aside", remote, ".log")


def derive_retry_writer(dead_letter: DeadLetter) -> str:
    """Return the writer id under which a dead letter is delivered later.

    No other part of a stream uses this id.
    """
    return derive_writer_id(derive_writer_id(dead_letter.writer, dead_letter.end or 0), dead_letter.start)


def build_retry_item(source: Source, dead_letter: DeadLetter) -> Item | None:
    """Build the item that delivers a frame as a stream of its own; None if the frame is gone."""
    size = (dead_letter.end or dead_letter.start) - dead_letter.start
    data = source.read(dead_letter.writer, dead_letter.start, size)[:size]
    if not data or len(data) != size:
        return None
    return Item(
        project=dead_letter.project,
        run=dead_letter.run,
        writer=derive_retry_writer(dead_letter),
        offset=START.offset,
        crc=START.crc,
        sealed=True,
        data=pack_item(data),
    )
