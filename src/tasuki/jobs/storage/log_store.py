"""Logs of jobs: a file per attempt on the local disk, append-only, kept when the provider's is gone."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasuki.errors import NotFound
from tasuki.records import Job

__all__ = ["LogPiece", "LogStore", "job_folder"]

LOG = "log"
TAIL_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
OVERLAP = 1000
ID = re.compile(r"[a-z0-9]{8,32}")


def job_folder(root: Path, job: str) -> Path:
    """Return the folder of a job's files.

    Raise NotFound for an invalid id: no foreign text becomes a path.
    """
    if not ID.fullmatch(job):
        raise NotFound(f"there is no job {job!r}")
    return root / "jobs" / job


class LogPiece(NamedTuple):
    """Whole lines, and the attempt and byte offset of the next ones."""

    lines: list[str]
    attempt: int
    offset: int


class LogStore:
    """The logs of all jobs of a data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prefix = f"{root}/jobs/"

    def path(self, job: str, attempt: int) -> Path:
        """Return the file of an attempt."""
        return job_folder(self.root, job) / str(attempt) / LOG

    def keep(self, job: str, attempt: int, text: str) -> bool:
        """Append what is new in the provider's whole text, which may have lost its beginning."""
        path = self.path(job, attempt)
        data = text.encode()
        new = data if not path.exists() else rest(path, data)
        if new:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(new)
        return bool(new)

    def extend(self, job: str, attempt: int, offset: int, data: bytes) -> None:
        """Append what comes after an offset, as far as it is not stored."""
        path = self.path(job, attempt)
        have = path.stat().st_size if path.exists() else 0
        if offset <= have < offset + len(data):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(data[have - offset :])

    def remove(self, job: str) -> None:
        """Remove a job's files: logs and request."""
        with suppress(FileNotFoundError):
            shutil.rmtree(job_folder(self.root, job))

    def text(self, job: Job) -> str:
        """Return all logs of a job."""
        found = [self.path(job.id, attempt) for attempt in range(1, job.attempt + 1)]
        return "".join(path.read_text(errors="replace") for path in found if path.exists())

    def tail(self, job: Job) -> str:
        """Return the end of the latest attempt's log."""
        try:
            with self.path(job.id, job.attempt).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - TAIL_BYTES))
                return file.read().decode(errors="replace")
        except (FileNotFoundError, NotFound):
            return ""

    def size(self, job: Job) -> int:
        """Return the bytes of the latest attempt's log. Avoids `Path`: it is called for each job of a list."""
        if not ID.fullmatch(job.id):
            return 0
        try:
            return os.stat(f"{self.prefix}{job.id}/{job.attempt}/{LOG}").st_size  # noqa: PTH116 - twice as fast as a `Path`
        except FileNotFoundError:
            return 0

    def lines(self, job: Job, attempt: int, offset: int, *, is_over: bool) -> LogPiece:
        """Return whole lines from a byte offset; of an ended attempt, an incomplete last line, too."""
        try:
            with self.path(job.id, attempt).open("rb") as file:
                file.seek(offset)
                data = file.read(PIECE_BYTES)
        except FileNotFoundError:
            data = b""
        is_last = is_over and len(data) < PIECE_BYTES
        end = len(data) if is_last or (len(data) == PIECE_BYTES and b"\n" not in data) else data.rfind(b"\n") + 1
        lines = list(split_lines(data[:end].decode(errors="replace")))
        if is_last and attempt < job.attempt:
            return LogPiece(lines, attempt + 1, 0)
        return LogPiece(lines, attempt, offset + end)


def split_lines(text: str) -> Iterator[str]:
    """Split a text into lines; each state of a progress bar is one."""
    parts = re.split(r"\r\n|\n|\r", text)
    yield from parts if parts[-1] else parts[:-1]


def rest(path: Path, data: bytes) -> bytes:
    """Return what is new in a provider's whole text; compare only the stored end where that is enough."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - OVERLAP))
        if size <= len(data) and file.read() == data[max(0, size - OVERLAP) : size]:
            return data[size:]
        file.seek(0)
        return new_part(file.read(), data)


def new_part(kept: bytes, data: bytes) -> bytes:
    """Return the part of a provider's whole text that is not stored yet."""
    if data.startswith(kept):
        return data[len(kept) :]
    if kept.startswith(data) or not data:
        return b""
    overlap = kept[-OVERLAP:]
    place = data.find(overlap)
    return data[place + len(overlap) :] if place >= 0 else b"\n" + data
