"""Acknowledgements of a remote.

`acks/<remote>.log`, append-only lines that any number of processes add to.

    <writer> <offset> <crc> <sealed 0|1> [<writer there> <our offset where that one begins>]
    boot <boot id of the server that said all that follows>
    at <writer> <when its stream was first known to be there as a whole, in microseconds UTC>

They only save questions: a line that is lost, torn or old costs one more question to the server, never a record.
"""

import hashlib
import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from tasuki.atomic_files import replace_file
from tasuki.clock import SYSTEM_CLOCK
from tasuki.records import Position

__all__ = ["Ack", "AckLog", "acks_path", "remote_file_path"]

log = logging.getLogger("tasuki.relay")


class Ack(NamedTuple):
    """Acknowledged position of one of our streams.

    Its remote writer, and the offset where that one begins.
    """

    position: Position
    sealed: bool
    remote_writer: str
    start: int


class AckLog:
    """The acknowledgements of one remote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_writer: dict[str, Ack] = {}
        self.boot_id: str | None = None
        self.stored_times: dict[str, int] = {}
        """When each stream was first known to be there as a whole."""
        self.is_unwritable = False
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                self.parse_line(line.split())

    def parse_line(self, words: list[str]) -> None:
        """Read one line; skip an incomplete one."""
        match words:
            case ["boot", boot_id]:
                if boot_id != self.boot_id:
                    self.boot_id, self.by_writer = boot_id, {}
            case ["at", writer, time] if time.isdigit():
                self.stored_times.setdefault(writer, int(time))
            case [writer, offset, crc, "0" | "1" as sealed, *rest] if len(rest) in {0, 2} and (offset + crc).isdigit():
                remote_writer, start = rest or (writer, "0")
                if start.isdigit():
                    self.by_writer[writer] = Ack(Position(int(offset), int(crc)), sealed == "1", remote_writer, int(start))

    def record(self, writer: str, ack: Ack) -> None:
        """Record the acknowledged position of a stream."""
        if self.by_writer.get(writer) != ack:
            self.by_writer[writer] = ack
            if ack.sealed and writer not in self.stored_times:
                self.stored_times[writer] = SYSTEM_CLOCK.now_us()
                self.append_line(f"at {writer} {self.stored_times[writer]}")
            self.append_line(format_ack(writer, ack))

    def record_boot(self, boot_id: str) -> None:
        """Record that the server restarted: earlier acknowledgements may no longer hold."""
        self.boot_id, self.by_writer = boot_id, {}
        self.append_line(f"boot {boot_id}")

    def append_line(self, line: str) -> None:
        """Append one line in one write; on a full disk, a lost line only costs another question."""
        try:
            self.write_line(f"{line}\n".encode())
        except OSError as error:
            if not self.is_unwritable:
                log.warning("what was acknowledged can't be noted, and will be asked for again: %s", error)
            self.is_unwritable = True

    def write_line(self, line: bytes) -> None:
        """Append one line."""
        try:
            descriptor = self.open_for_append()
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = self.open_for_append()
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def open_for_append(self) -> int:
        """Open the file for appending, each time anew: it may have been replaced."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def compact(self, writers: Collection[str]) -> None:
        """Keep one line for each of the given streams.

        Lines added meanwhile may be lost; each costs a question.
        """
        lines = [] if self.boot_id is None else [f"boot {self.boot_id}"]
        lines += [f"at {writer} {time}" for writer, time in self.stored_times.items() if writer in writers]
        lines += [format_ack(writer, ack) for writer, ack in self.by_writer.items() if writer in writers]
        if self.path.exists():
            replace_file(self.path, "".join(f"{line}\n" for line in lines).encode(), mode=0o600)


def format_ack(writer: str, ack: Ack) -> str:
    """Format an acknowledgement as a line of the file."""
    moved = "" if ack.remote_writer == writer else f" {ack.remote_writer} {ack.start}"
    return f"{writer} {ack.position.offset} {ack.position.crc} {int(ack.sealed)}{moved}"


def acks_path(folder: Path, remote: str) -> Path:
    """Return the path of a remote's acknowledgements in a data folder."""
    return remote_file_path(folder / "acks", remote, ".log")


def remote_file_path(folder: Path, remote: str, suffix: str) -> Path:
    """Return the path of a remote's file in a folder of such files."""
    slug = re.sub(r"[^a-z0-9]+", "-", remote.lower().split("://")[-1].rpartition("@")[2])[:40].strip("-")
    return folder / f"{slug}-{hashlib.sha256(remote.encode()).hexdigest()[:8]}{suffix}"
