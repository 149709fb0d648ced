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

__all__ = ["LogPiece", "LogStore", "get_job_folder"]

LOG_FILE = "log"
TAIL_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
OVERLAP_BYTES = 1000
JOB_ID_PATTERN = re.compile(r"[a-z0-9]{8,32}")


def get_job_folder(root: Path, job: str) -> Path:
    """Return the folder of a job's files.

    Raise NotFound for an invalid id: no foreign text becomes a path.
    """
    if not JOB_ID_PATTERN.fullmatch(job):
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

    def get_path(self, job: str, attempt: int) -> Path:
        """Return the file of an attempt."""
        return get_job_folder(self.root, job) / str(attempt) / LOG_FILE

    def merge_text(self, job: str, attempt: int, text: str) -> bool:
        """Append what is new in the provider's whole text, which may have lost its beginning."""
        path = self.get_path(job, attempt)
        data = text.encode()
        new = data if not path.exists() else find_new_bytes(path, data)
        if new:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(new)
        return bool(new)

    def extend(self, job: str, attempt: int, offset: int, data: bytes) -> None:
        """Append what comes after an offset, as far as it is not stored."""
        path = self.get_path(job, attempt)
        have = path.stat().st_size if path.exists() else 0
        if offset <= have < offset + len(data):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(data[have - offset :])

    def remove(self, job: str) -> None:
        """Remove a job's files: logs and request."""
        with suppress(FileNotFoundError):
            shutil.rmtree(get_job_folder(self.root, job))

    def read_text(self, job: Job) -> str:
        """Return all logs of a job."""
        found = [self.get_path(job.id, attempt) for attempt in range(1, job.attempt + 1)]
        return "".join(path.read_text(errors="replace") for path in found if path.exists())

    def read_tail(self, job: Job) -> str:
        """Return the end of the latest attempt's log."""
        try:
            with self.get_path(job.id, job.attempt).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - TAIL_BYTES))
                return file.read().decode(errors="replace")
        except (FileNotFoundError, NotFound):
            return ""

    def get_size(self, job: Job) -> int:
        """Return the bytes of the latest attempt's log. Avoids `Path`: it is called for each job of a list."""
        if not JOB_ID_PATTERN.fullmatch(job.id):
            return 0
        try:
            return os.stat(f"{self.prefix}{job.id}/{job.attempt}/{LOG_FILE}").st_size  # noqa: PTH116 - twice as fast as a `Path`
        except FileNotFoundError:
            return 0

    def read_lines(self, job: Job, attempt: int, offset: int, *, is_over: bool) -> LogPiece:
        """Return whole lines from a byte offset; of an ended attempt, an incomplete last line, too."""
        try:
            with self.get_path(job.id, attempt).open("rb") as file:
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


def find_new_bytes(path: Path, data: bytes) -> bytes:
    """Return what is new in a provider's whole text; compare only the stored end where that is enough."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - OVERLAP_BYTES))
        if size <= len(data) and file.read() == data[max(0, size - OVERLAP_BYTES) : size]:
            return data[size:]
        file.seek(0)
        return subtract_stored(file.read(), data)


def subtract_stored(stored: bytes, data: bytes) -> bytes:
    """Return the part of a provider's whole text that is not stored yet."""
    if data.startswith(stored):
        return data[len(stored) :]
    if stored.startswith(data) or not data:
        return b""
    overlap = stored[-OVERLAP_BYTES:]
    place = data.find(overlap)
    return data[place + len(overlap) :] if place >= 0 else b"\n" + data
