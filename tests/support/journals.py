"""Journal files, as tests make, damage and read them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tasuki.journal import JournalFolder, JournalHeader, OwnerProcess, identify_current_process, new_header, open_journal
from tasuki.records import FlatMetrics, Record, UnknownRecord, decode, encode, encode_frame, iterate_frames

__all__ = ["DEAD_OWNER", "beginning", "flip", "journals", "metrics", "records_of", "stream_of", "write_journal"]

DEAD_OWNER = identify_current_process()._replace(pid_start=1)
"""A process of this machine that is gone: somebody else has its pid now."""


def metrics(step: int, **values: float) -> FlatMetrics:
    """What one `log()` call records."""
    return FlatMetrics(time=1_800_000_000_000_000 + step, step=step, values=values or {"loss": step / 7})


def write_journal(
    folder: Path, records: Iterable[Record], *, owner: OwnerProcess = DEAD_OWNER, project: str = "p", run: str = "r", **changes: Any
) -> Path:
    """A live journal in its project's folder, as its owner would have left it."""
    named = dict(zip(("boot", "pid_namespace", "pid", "pid_start"), owner, strict=True))
    header = msgspec.structs.replace(new_header(project, run, created=7), **{**named, **changes})
    path = JournalFolder(folder).project_folder(project) / f"{header.writer}.tsk"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + b"".join(encode_frame(encode(record)) for record in records))
    return path


def beginning(path: Path) -> tuple[JournalHeader, int]:
    """A journal's header, and where in the file its frames begin."""
    with open_journal(path) as view:
        return view.header, view.body_offset


def stream_of(path: Path) -> bytes:
    """All whole frames of a journal, up to the first hole."""
    with open_journal(path) as view:
        return b"".join(view.read_pieces())


def records_of(path: Path) -> list[Record | UnknownRecord]:
    """What a journal holds."""
    return [decode(payload) for _, payload in iterate_frames(stream_of(path))]


def journals(folder: Path) -> list[Path]:
    """Every journal file below a folder."""
    return sorted(folder.rglob("*.tsk"))


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << bit
    path.write_bytes(content)
