"""Small files that are there whole or not at all, whoever else writes them."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["replace_file", "write_draft", "write_once"]


def replace_file(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = False) -> None:
    """Replace a file as a whole, or not at all. `mode` is subject to the umask; `durable`: fsync first."""
    with write_draft(path, content, mode, durable=durable) as draft:
        draft.replace(path)


def write_once(path: Path, content: bytes) -> None:
    """Make a file, unless there is one."""
    with write_draft(path, content, 0o666) as draft, suppress(FileExistsError):
        path.hardlink_to(draft)


@contextmanager
def write_draft(path: Path, content: bytes, mode: int, *, durable: bool = False) -> Iterator[Path]:
    """The content beside its place, for the block, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield draft
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
