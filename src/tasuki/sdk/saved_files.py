"""Saved files of a run: short texts in the record, anything else as a blob in the data folder."""

import hashlib
import mimetypes
from os import PathLike
from pathlib import Path, PurePath

from tasuki.blobs import store_file
from tasuki.errors import ConfigError
from tasuki.records import File
from tasuki.sdk.value_conversion import to_text, to_text_or_none

__all__ = ["build_file_record"]

MAX_TEXT_BYTES = 64 * 1024
MEDIA_FORMS = ("image", "video", "audio")


def build_file_record(
    folder: Path, path: str | PathLike[str], name: str | None, *, step: int | None, caption: str | None, now: int
) -> File:
    """Store a file's content and build its record. Raise ConfigError if it cannot be read."""
    source = Path(path)
    try:
        content = decode_text(source.read_bytes()) if source.stat().st_size <= MAX_TEXT_BYTES else None
        if content is None:
            sha256, size = store_file(folder, source)
        else:
            data = content.encode()
            sha256, size = hashlib.sha256(data).hexdigest(), len(data)
    except OSError as error:
        raise ConfigError(f"{str(source)!r} can't be kept: {error.strerror or error}", hint="save() takes one file") from error
    media_type, _ = mimetypes.guess_type(source.name)
    media_type = media_type or ("text/plain" if content is not None else "application/octet-stream")
    kind = media_type.partition("/")[0]
    return File(
        time=now, path=to_text(name) if name else derive_file_name(source), step=step, form=kind if kind in MEDIA_FORMS else "file",
        caption=to_text_or_none(caption), sha256=sha256, size=size, media_type=media_type, content=content,
    )  # fmt: skip


def decode_text(data: bytes) -> str | None:
    """The text that bytes are; None for what is none."""
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def derive_file_name(path: PurePath) -> str:
    """Return a file's name in the run: its relative path if it leads down from here, else its base name."""
    return to_text(path.name if path.is_absolute() or ".." in path.parts else path.as_posix())
