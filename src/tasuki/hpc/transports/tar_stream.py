"""Files as one stream: write a tar archive in pieces, and read one without trusting it."""

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from tasuki.errors import DataError

__all__ = ["TarContent", "TarFile", "iter_members", "iter_tar_pieces"]

PIECE_BYTES = 1 << 18
END_BLOCKS = bytes(2 * tarfile.BLOCKSIZE)


class TarFile(NamedTuple):
    """A file to send: its name at the host (with slashes), and the source of its content."""

    name: str
    content: Path | bytes
    mode: int = 0o644

    @property
    def size(self) -> int:
        """Return its current size in bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def iter_tar_pieces(files: Iterable[TarFile]) -> Iterator[bytes]:
    """Yield an archive of the files. Raise DataError if one shrinks meanwhile."""
    for file in files:
        size = file.size
        info = tarfile.TarInfo(file.name)
        info.size, info.mode = size, file.mode
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        yield from iter_content_pieces(file, size)
        yield bytes(-size % tarfile.BLOCKSIZE)
    yield END_BLOCKS


def iter_content_pieces(file: TarFile, size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes of a file."""
    if isinstance(file.content, bytes):
        yield file.content
        return
    with file.content.open("rb") as opened:
        while size:
            piece = opened.read(min(size, PIECE_BYTES))
            if not piece:
                raise DataError(f"{file.content} became shorter while it was sent", hint="sync again when nothing writes to it")
            size -= len(piece)
            yield piece


class TarContent:
    """Content of a file in an archive: shorter than its size if the stream is cut."""

    def __init__(self, size: int, file: IO[bytes]) -> None:
        self.size = size
        self.file = file

    def read(self) -> bytes:
        """Read the next piece; empty at the end."""
        with suppress(tarfile.ReadError):
            return self.file.read(PIECE_BYTES)
        return b""

    def read_all(self) -> bytes:
        """Read a small file whole."""
        return b"".join(iter(self.read, b""))


def iter_members(stream: BinaryIO) -> Iterator[tuple[str, TarContent]]:
    """Yield the regular files of an archive; refuse names that lead outside."""
    with suppress(tarfile.ReadError), tarfile.open(fileobj=stream, mode="r|", errorlevel=0) as archive:
        for member in archive:
            if member.isfile() and (content := archive.extractfile(member)):
                yield normalize_member_name(member.name), TarContent(member.size, content)


def normalize_member_name(name: str) -> str:
    """Return a name below the target folder. Raise DataError for any other."""
    tidy = posixpath.normpath(name)
    if tidy.startswith(("/", "../")) or tidy in ("..", "."):
        raise DataError(f"the other side sent a file called {name!r}, which would lie outside the folder it is meant for")
    return tidy
