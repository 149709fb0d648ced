"""A writer: one process's stream of frames for one run, in one append-only file that it alone writes."""

import os
import secrets
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from tasuki.failpoints import wrap_with_failpoints
from tasuki.journal.header import JournalHeader, identify_current_process
from tasuki.journal.liveness import HELD_WRITERS, try_writer_lock, writer_lock_path
from tasuki.records import encode_frame

__all__ = ["DRAFT_SUFFIX", "JOURNAL_SUFFIX", "JournalWriter", "new_header"]

JOURNAL_SUFFIX = ".tsk"
DRAFT_SUFFIX = ".draft"


def new_header(project: str, run: str, *, created: int, remote: str = "") -> JournalHeader:
    """The header of a writer that this process is about to open."""
    boot, pid_namespace, pid, start = identify_current_process()
    return JournalHeader(
        writer=secrets.token_hex(16),
        project=project,
        run=run,
        boot=boot,
        pid_namespace=pid_namespace,
        pid=pid,
        pid_start=start,
        created=created,
        remote=remote,
    )


class JournalFile(FileIO):
    """A file that is closed by its last user, without a warning that nobody did it by name."""

    __del__ = FileIO.close


class JournalWriter:
    """An open journal file. `write` is the raw write of an unbuffered O_APPEND file, without shared state.

    The file object is never closed by name: whoever drops the last reference to it (or to `write`) closes it, so a call in
    another thread can't find it gone.
    """

    def __init__(self, header: JournalHeader, path: Path, file: FileIO, lock_path: Path, lock_descriptor: int | None) -> None:
        self.header = header
        self.path = path
        self.file = weakref.ref(file)
        self.write: Callable[[bytes], int | None] = wrap_with_failpoints("journal.before_write", file.write, "journal.after_write")
        self.lock_descriptor = lock_descriptor
        self.lock_path = lock_path
        self.synced_bytes = 0

    @classmethod
    def create(
        cls, header: JournalHeader, folder: Path, lock_folder: Path, opening_payloads: Sequence[bytes] = ()
    ) -> "JournalWriter":
        """Create a file that appears by rename, with its header and first records. Raise OSError on failure."""
        path = folder / f"{header.writer}{JOURNAL_SUFFIX}"
        draft = path.with_suffix(DRAFT_SUFFIX)
        lock_path = writer_lock_path(lock_folder, header.writer)
        file: FileIO | None = None
        lock = None
        try:
            lock = try_writer_lock(lock_path)
            HELD_WRITERS.add(header.writer)
            file = JournalFile(draft, "ab")
            content = header.encode() + b"".join(encode_frame(payload) for payload in opening_payloads)
            if file.write(content) != len(content):
                raise OSError(28, "No space left on device", str(draft))
            draft.rename(path)
        except BaseException:
            HELD_WRITERS.discard(header.writer)
            if lock is not None:
                os.close(lock)
            draft.unlink(missing_ok=True)
            lock_path.unlink(missing_ok=True)
            raise
        return cls(header, path, file, lock_path, lock)

    def retire(self) -> None:
        """Drop this side's hold on the file; calls under way keep theirs."""
        del self.write

    @property
    def is_quiet(self) -> bool:
        """Nobody can write any more: retired, and the last call under way has returned."""
        return self.file() is None

    def sync(self) -> int:
        """Wait until what was written before is on the disk; returns the file's size in bytes."""
        file = self.file()
        if file is None:
            with suppress(FileNotFoundError), self.path.open("rb") as same:
                os.fdatasync(same.fileno())
            return self.synced_bytes
        size = os.fstat(file.fileno()).st_size
        if size != self.synced_bytes:
            os.fdatasync(file.fileno())
            self.synced_bytes = size
        return size

    def release(self) -> None:
        """Give the lock up, and its file; the journal has been sealed, or is left to others."""
        self.lock_path.unlink(missing_ok=True)
        HELD_WRITERS.discard(self.header.writer)
        if self.lock_descriptor is not None:
            os.close(self.lock_descriptor)
            self.lock_descriptor = None

    def abandon_in_child(self) -> None:
        """In a forked child: close the copy of the lock's descriptor; the lock itself was never inherited."""
        if self.lock_descriptor is not None:
            os.close(self.lock_descriptor)
            self.lock_descriptor = None
