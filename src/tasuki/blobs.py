"""Blobs: files by content, in `blobs/<sha256>` of a data folder. One that is there is whole, and on the disk."""

import hashlib
import os
import re
import secrets
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tasuki.errors import ConfigError

__all__ = ["FOLDER", "Blob", "BlobWriter", "blob_path", "keep_file", "keep_text"]

FOLDER = "blobs"
SHA256 = re.compile(r"[0-9a-f]{64}")
PIECE_BYTES = 1024 * 1024


class Blob(NamedTuple):
    """A file's content: its name, and how long it is."""

    sha256: str
    size: int


def blob_path(folder: Path, sha256: str) -> Path:
    """Where a content lies in a data folder, if it is there. ConfigError for what is no sha256."""
    if not SHA256.fullmatch(sha256):
        raise ConfigError(f"{sha256[:100]!r} is no sha256", hint="64 hex digits")
    return folder / FOLDER / sha256


class BlobWriter:
    """A content on its way: written piece by piece, then kept. A `with` block leaves nothing behind of one that was not kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        self.path = folder / FOLDER / f".{secrets.token_hex(8)}"
        self.file = self.path.open("xb")
        self.hashed = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes | bytearray) -> None:
        """Add some bytes."""
        self.file.write(piece)
        self.hashed.update(piece)
        self.size += len(piece)

    def keep(self) -> Blob:
        """Put it under its name, on the disk, file and folder. Where it is already, that one stays."""
        self.file.flush()
        os.fsync(self.file.fileno())
        blob = Blob(self.hashed.hexdigest(), self.size)
        self.path.replace(blob_path(self.folder, blob.sha256))
        handle = os.open(self.folder / FOLDER, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return blob

    def close(self) -> None:
        """Forget what was not kept."""
        self.file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def keep_file(folder: Path, path: Path) -> Blob:
    """Keep what a file holds now."""
    with path.open("rb") as file, BlobWriter(folder) as draft:
        while piece := file.read(PIECE_BYTES):
            draft.write(piece)
        return draft.keep()


def keep_text(folder: Path, text: str) -> Blob:
    """Keep a text."""
    with BlobWriter(folder) as draft:
        draft.write(text.encode())
        return draft.keep()
