"""The header of a journal file: whose stream it is, who owns it, and, once sealed, where it ends.

    "TASUKI", u8 format version, u8 state (0 live, 1 sealed), u32 length, u32 crc32, MessagePack map

Behind the header lie the frames: plain in a live file, as independent zstd frames in a sealed one.
"""

import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from zlib_ng.zlib_ng import crc32

from tasuki.errors import DataError, UnrecognizedFile

__all__ = ["JournalHeader", "OwnerProcess", "identify_current_process", "read_header", "read_pid_start"]

MAGIC = b"TASUKI"
FORMAT_VERSION = 1
LIVE, SEALED = 0, 1
HEADER_PREFIX = struct.Struct("<6sBBII")
MAX_HEADER_BYTES = 1024 * 1024


class OwnerProcess(NamedTuple):
    """A process, uniquely identified.

    Boot id, pid namespace, pid, and start time (clock ticks since boot).
    """

    boot: str
    pid_namespace: str
    pid: int
    pid_start: int


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Facts of a writer, readable without its frames.

    `created`: microseconds UTC; `remote`: where it is to be sent.

    A sealed one adds where the frames end, their rolling crc and sha256, and the size of each compressed block behind the header:
    (bytes of frames, bytes of zstd).
    """

    writer: str
    project: str
    run: str
    boot: str = ""
    pid_namespace: str = ""
    pid: int = 0
    pid_start: int = 0
    created: int = 0
    remote: str = ""
    end: int | None = None
    end_crc: int | None = None
    sha256: str | None = None
    blocks: list[tuple[int, int]] = []

    @property
    def is_sealed(self) -> bool:
        """The stream has ended, and the file is final."""
        return self.end is not None

    @property
    def owner(self) -> OwnerProcess:
        """The process that writes, or wrote, this journal."""
        return OwnerProcess(self.boot, self.pid_namespace, self.pid, self.pid_start)

    def encode(self) -> bytes:
        """The header's bytes, as a file begins with."""
        payload = msgspec.msgpack.encode(self)
        state = SEALED if self.is_sealed else LIVE
        return HEADER_PREFIX.pack(MAGIC, FORMAT_VERSION, state, len(payload), crc32(payload)) + payload


def read_header(file: BinaryIO, path: Path) -> tuple[JournalHeader, int]:
    """Read the header; return it and the offset of the frames.

    Raise UnrecognizedFile for a foreign or newer file, DataError for a damaged header.
    """
    head = file.read(HEADER_PREFIX.size)
    if len(head) < HEADER_PREFIX.size or head[: len(MAGIC)] != MAGIC:
        raise UnrecognizedFile(f"{path} is not a tasuki journal")
    _, version, _, length, crc = HEADER_PREFIX.unpack(head)
    if version != FORMAT_VERSION:
        raise UnrecognizedFile(f"{path} has format {version}; this tasuki reads format {FORMAT_VERSION}", hint="upgrade tasuki")
    payload = file.read(length) if length <= MAX_HEADER_BYTES else b""
    if len(payload) != length or crc32(payload) != crc:
        raise DataError(f"the header of {path} is damaged")
    try:
        return msgspec.msgpack.decode(payload, type=JournalHeader), HEADER_PREFIX.size + length
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"the header of {path} can't be read: {error}") from error


def read_text(path: str) -> str:
    """A small file's text, or nothing where there is no such file (systems without /proc)."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def read_link(path: str) -> str:
    """A link's target, or nothing where there is no such link."""
    try:
        return os.readlink(path)  # noqa: PTH115 - Path.readlink costs an import's worth more
    except OSError:
        return ""


def read_pid_start(pid: int) -> int | None:
    """When a process started, in ticks since boot; None if it is gone. A zombie is gone."""
    stat = read_text(f"/proc/{pid}/stat")
    if not stat:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def identify_current_process() -> OwnerProcess:
    """The process that asks."""
    return identify_process(os.getpid())


@lru_cache(maxsize=1)
def identify_process(pid: int) -> OwnerProcess:
    """This process, whose pid changes when it forks."""
    return OwnerProcess(read_text("/proc/sys/kernel/random/boot_id"), read_link("/proc/self/ns/pid"), pid, read_pid_start(pid) or 0)
