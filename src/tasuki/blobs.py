"""Blobs: files by content, `blobs/<sha256>` of a data folder. An existing one is whole, and on disk."""

import hashlib
import os
import re
import secrets
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tasuki.errors import ConfigError

__all__ = ["BLOB_FOLDER", "Blob", "BlobWriter", "blob_path", "store_file", "store_text"]

BLOB_FOLDER = "blobs"
SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
READ_BYTES = 1024 * 1024


class Blob(NamedTuple):
    """A file's content: its name, and how long it is."""

    sha256: str
    size: int


def blob_path(folder: Path, sha256: str) -> Path:
    """Return the path of a blob, whether or not it exists. Raise ConfigError for an invalid sha256."""
    if not SHA256_PATTERN.fullmatch(sha256):
        raise ConfigError(f"{sha256[:100]!r} is no sha256", hint="64 hex digits")
    return folder / BLOB_FOLDER / sha256


class BlobWriter:
    """Content being written in pieces. A `with` block removes it unless it is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / BLOB_FOLDER).mkdir(parents=True, exist_ok=True)
        self.path = folder / BLOB_FOLDER / f".{secrets.token_hex(8)}"
        self.file = self.path.open("xb")
        self.hasher = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes | bytearray) -> None:
        """Add some bytes."""
        self.file.write(piece)
        self.hasher.update(piece)
        self.size += len(piece)

    def commit(self) -> Blob:
        """Put it under its name, on the disk, file and folder. Where it is already, that one stays."""
        self.file.flush()
        os.fsync(self.file.fileno())
        blob = Blob(self.hasher.hexdigest(), self.size)
        self.path.replace(blob_path(self.folder, blob.sha256))
        handle = os.open(self.folder / BLOB_FOLDER, os.O_RDONLY)
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


def store_file(folder: Path, path: Path) -> Blob:
    """Keep what a file holds now."""
    with path.open("rb") as file, BlobWriter(folder) as draft:
        while piece := file.read(READ_BYTES):
            draft.write(piece)
        return draft.commit()


def store_text(folder: Path, text: str) -> Blob:
    """Keep a text."""
    with BlobWriter(folder) as draft:
        draft.write(text.encode())
        return draft.commit()
