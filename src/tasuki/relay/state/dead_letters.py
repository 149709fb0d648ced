"""What a remote does not take: `aside/<remote>.log`, append-only lines of JSON that any number of processes add to.

A line is an `DeadLetter`; of several with the same writer and start the last one holds. The bytes themselves stay in the journal.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tasuki.journal import Source, derived_writer
from tasuki.records import START, Item, pack_item
from tasuki.relay.state.acks import remote_file

__all__ = ["DeadLetter", "DeadLetterLog", "aside_path", "lone_item", "lone_writer"]

encode = msgspec.json.Encoder().encode


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is set aside, or, without an `end`, all of a stream from `start` on.

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
    """One remote's file; without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.frames: dict[str, dict[int, DeadLetter]] = {}
        self.streams: dict[str, DeadLetter] = {}
        if path is not None and path.exists():
            for line in path.read_bytes().splitlines():
                self.read(line)

    def read(self, line: bytes) -> None:
        """Take in one line; a torn one is passed over: what it was about will be set aside anew."""
        try:
            self.keep(decode(line))
        except msgspec.DecodeError:
            return

    def keep(self, aside: DeadLetter) -> None:
        """What holds from now on."""
        if aside.end is not None:
            self.frames.setdefault(aside.writer, {})[aside.start] = aside
        elif aside.over:
            self.streams.pop(aside.writer, None)
        else:
            self.streams[aside.writer] = aside

    def note(self, aside: DeadLetter) -> None:
        """Keep it, in one write."""
        self.keep(aside)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, encode(aside) + b"\n")
            finally:
                os.close(descriptor)

    def waiting(self) -> list[DeadLetter]:
        """All that is set aside now."""
        frames = [aside for of_writer in self.frames.values() for aside in of_writer.values() if not aside.over]
        return sorted([*frames, *self.streams.values()], key=lambda aside: (aside.time, aside.writer, aside.start))

    def frame_at(self, writer: str, offset: int) -> DeadLetter | None:
        """The frame of a stream that is passed over there, whatever became of it."""
        return self.frames.get(writer, {}).get(offset)

    def next_start(self, writer: str, offset: int) -> int | None:
        """Where the next frame lies that is passed over."""
        return min((start for start in self.frames.get(writer, ()) if start >= offset), default=None)

    def frames_of(self, writer: str) -> Iterator[DeadLetter]:
        """The frames of a stream that are passed over, in their order."""
        return (aside for _, aside in sorted(self.frames.get(writer, {}).items()))


def aside_path(folder: Path, remote: str) -> Path:
    """Where a remote's file is kept in a data folder."""
    return remote_file(folder / "aside", remote, ".log")


def lone_writer(aside: DeadLetter) -> str:
    """The stream that a frame becomes when it is delivered after all. What follows a frame never goes by this name."""
    return derived_writer(derived_writer(aside.writer, aside.end or 0), aside.start)


def lone_item(source: Source, aside: DeadLetter) -> Item | None:
    """A frame as a stream of its own; None if it is no longer here."""
    size = (aside.end or aside.start) - aside.start
    data = source.read(aside.writer, aside.start, size)[:size]
    if not data or len(data) != size:
        return None
    return Item(
        project=aside.project,
        run=aside.run,
        writer=lone_writer(aside),
        offset=START.offset,
        crc=START.crc,
        sealed=True,
        data=pack_item(data),
    )
