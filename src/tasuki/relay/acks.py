"""What a remote has acknowledged: `acks/<remote>.log`, append-only lines that any number of processes add to.

    <writer> <offset> <crc> <sealed 0|1> [<writer there> <our offset where that one begins>]
    boot <boot id of the server that said all that follows>

They only save questions: a line that is lost, torn or old costs one more question to the server, never a record.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from tasuki.records import Position

__all__ = ["Ack", "FileAcks", "acks_path"]


class Ack(NamedTuple):
    """How far one of our streams has come on the other side, and under which name it goes there from which offset of ours."""

    position: Position
    sealed: bool
    remote_writer: str
    start: int


class FileAcks:
    """One remote's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.acks: dict[str, Ack] = {}
        self.boot_id: str | None = None
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                self.read(line.split())

    def read(self, words: list[str]) -> None:
        """Take in one line; what is no whole line is passed over."""
        match words:
            case ["boot", boot_id]:
                if boot_id != self.boot_id:
                    self.boot_id, self.acks = boot_id, {}
            case [writer, offset, crc, "0" | "1" as sealed, *rest] if len(rest) in {0, 2} and (offset + crc).isdigit():
                remote_writer, start = rest or (writer, "0")
                if start.isdigit():
                    self.acks[writer] = Ack(Position(int(offset), int(crc)), sealed == "1", remote_writer, int(start))

    def note(self, writer: str, ack: Ack) -> None:
        """Keep how far a stream has come."""
        if self.acks.get(writer) != ack:
            self.acks[writer] = ack
            moved = "" if ack.remote_writer == writer else f" {ack.remote_writer} {ack.start}"
            self.add(f"{writer} {ack.position.offset} {ack.position.crc} {int(ack.sealed)}{moved}")

    def note_boot(self, boot_id: str) -> None:
        """The server has started anew: what it said before may no longer be so."""
        self.boot_id, self.acks = boot_id, {}
        self.add(f"boot {boot_id}")

    def add(self, line: str) -> None:
        """Append one line in one write."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)


def acks_path(folder: Path, remote: str) -> Path:
    """Where a remote's acknowledgements are kept in a data folder."""
    slug = re.sub(r"[^a-z0-9]+", "-", remote.lower().split("://")[-1])[:40].strip("-")
    return folder / "acks" / f"{slug}-{hashlib.sha256(remote.encode()).hexdigest()[:8]}.log"
