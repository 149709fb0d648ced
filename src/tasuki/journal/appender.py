"""Appending records for one run: encode, one write, nothing else.

`append` shares no state: no lock, no queue, no flag. What is rare happens beside it. A fork, a file past 32 MiB, a short write or
an exception between write and return each end the writer; the next call opens another one. Two threads that find no writer each
open one, and both streams are whole. Replaced writers are sealed once nobody can write to them any more.
"""

import errno
import logging
import os
import struct
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from zlib_ng.zlib_ng import crc32

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import DataError, JournalError, warn_user
from tasuki.journal.disk_reserve import DiskReserve
from tasuki.journal.seal import seal
from tasuki.journal.writer import JournalWriter, new_header
from tasuki.records import MAX_PAYLOAD_BYTES, LostCalls, encode, encode_frame

__all__ = ["APPENDERS", "MAX_FILE_BYTES", "Appender"]

MAX_FILE_BYTES = 32 * 1024 * 1024
DISK_FULL_ERRORS = {errno.ENOSPC, errno.EDQUOT}
"""What a later write to the same file may get over."""
WriteFunction = Callable[[bytes], int | None]
pack_frame_header = struct.Struct("<II").pack
log = logging.getLogger("tasuki.journal")


class Appender:
    """Appends records of one run and process. `folder` holds the journals, `lock_folder` their locks.

    `opening` is asked for the records that a new file begins with, so that a file is never seen without them; `on_open` hears of
    every new file: in a forked child, that is when the background threads have to be started again. `remote` is noted in the files.
    """

    def __init__(  # noqa: PLR0913 - where, what for, and two calls back
        self,
        *,
        project: str,
        run: str,
        folder: Path,
        lock_folder: Path,
        opening_payloads: Callable[[], list[bytes]] = list,
        on_open: Callable[[Path], None] = lambda _: None,
        remote: str = "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.project = project
        self.run = run
        self.folder = folder
        self.lock_folder = lock_folder
        self.opening_payloads = opening_payloads
        self.on_open = on_open
        self.remote = remote
        self.clock = clock
        self.writer: JournalWriter | None = None
        self.write: WriteFunction = self.open_and_write
        self.retired_writers: list[JournalWriter] = []
        self.reserve = DiskReserve(folder)
        self.lost_calls: LostCalls | None = None
        self.frame_packers: dict[int, Callable[[int, int, bytes], bytes]] = {}
        self.is_closed = False
        self.is_failing = False
        self.count_lock = threading.RLock()
        self.seal_lock = threading.RLock()
        APPENDERS.add(self)

    # -- the hot path

    def append(self, payload: bytes) -> None:
        """Append one record. It never raises for the disk: what can't be written is counted, and said once."""
        size = len(payload)
        if size > MAX_PAYLOAD_BYTES:
            self.count_lost_call(OSError(errno.EFBIG, f"a record has {size} bytes, {MAX_PAYLOAD_BYTES} are the most"))
            return
        frame = pack_frame_header(size, crc32(payload)) + payload
        try:
            written = self.write(frame)
        except OSError as error:
            self.handle_write_error(error)
        except BaseException:
            self.retire()
            raise
        else:
            if written != len(frame) or self.lost_calls is not None:
                self.check_written(written, len(frame))

    def handle_write_error(self, error: OSError) -> None:
        """Count a call that the disk refused.

        Retire the writer if the reason may be other than a lack of space.
        """
        if error.errno not in DISK_FULL_ERRORS:
            self.retire()
        self.count_lost_call(error)

    def check_written(self, written: int | None, size: int) -> None:
        """Retire the writer after a short write; after a full write, record the calls lost before it."""
        if written != size:
            self.retire()
            self.count_lost_call(make_no_space_error())
        else:
            self.record_lost_calls()

    def add_frame_packer(self, size: int) -> None:
        """Record that every value of a call was a number: for a second, payloads of that size skip the check.

        `packers` makes their frames; it is empty while the loss of calls has still to be said. To look at each value takes a fifth
        of a call. What goes by, a text of 8 letters in a number's place, is listed as rejected by the projection, which keeps the
        other values.
        """
        if size <= MAX_PAYLOAD_BYTES:
            self.frame_packers[size] = struct.Struct(f"<II{size}s").pack
        if self.lost_calls is not None:
            self.frame_packers.clear()

    def append_important(self, payload: bytes) -> None:
        """Append a status or an alert: when the disk is full, the reserve is given up for it."""
        lost = self.lost_calls
        self.append(payload)
        if self.lost_calls not in (None, lost):
            with self.count_lock:
                if self.reserve.release():
                    self.lost_calls = lost
                    self.append(payload)
                    self.fill_reserve()

    # -- opening and replacing writers

    def open(self) -> None:
        """Open a writer. JournalError, with what to do, if that can't be."""
        try:
            self.open_writer(needs_reserve=True)
        except OSError as error:
            self.reserve.release()
            raise JournalError(
                f"the journal folder {self.folder} can't be written: {error.strerror or error}",
                hint="free some space, or choose another folder: export TASUKI_DIR=/path",
            ) from error

    def open_writer(self, *, needs_reserve: bool = False) -> WriteFunction:
        """A new writer, from now on the one that is written to; returns its bare write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock_folder.mkdir(parents=True, exist_ok=True)
        header = new_header(self.project, self.run, created=self.clock.now_us(), remote=self.remote)
        if needs_reserve and not self.reserve.fill(header.writer):
            raise make_no_space_error()
        writer = JournalWriter.create(header, self.folder, self.lock_folder, self.opening_payloads())
        write = writer.write
        replaced, self.writer = self.writer, writer
        self.write = write
        if replaced is not None:
            replaced.retire()
            self.retired_writers.append(replaced)
        self.on_open(writer.path)
        return write

    def open_and_write(self, frame: bytes) -> int | None:
        """Open a writer and write, while there is none."""
        if self.is_closed:
            warn_user("the run is finished: what is logged now is not kept")
            return len(frame)
        return self.open_writer()(frame)

    def retire(self) -> None:
        """End the writer: the next call opens another one."""
        self.write = self.open_and_write
        writer, self.writer = self.writer, None
        if writer is not None:
            writer.retire()
            self.retired_writers.append(writer)

    def reset_after_fork(self) -> None:
        """In a forked child: forget the parent's writers; they are its own."""
        for writer in (self.writer, *self.retired_writers):
            if writer is not None:
                writer.abandon_in_child()
        self.writer, self.retired_writers = None, []
        self.reserve, self.lost_calls = DiskReserve(self.folder), None
        self.opening_payloads = list
        self.count_lock = threading.RLock()
        self.seal_lock = threading.RLock()
        self.write = self.open_and_write

    # -- a full disk

    def fill_reserve(self) -> None:
        """Hold room for what must still be said when the disk is full, or what there is of it."""
        with self.count_lock, suppress(OSError):
            if self.writer is not None and self.lost_calls is None:
                self.reserve.fill(self.writer.header.writer)

    def count_lost_call(self, error: OSError) -> None:
        """Count a call that could not be written; say so the first time."""
        now = self.clock.now_us()
        with self.count_lock:
            first = self.lost_calls is None
            n, since = (self.lost_calls.n, self.lost_calls.since) if self.lost_calls else (0, now)
            self.lost_calls = LostCalls(time=now, n=n + 1, since=since, until=now)
            self.frame_packers.clear()
        if first:
            reason = error.strerror or error
            warn_user(f"tasuki can't write to {self.folder}: {reason}; the run goes on, and what is lost is counted")

    def record_lost_calls(self) -> None:
        """Put the count on record, now that there may be room."""
        with self.count_lock:
            if self.lost_calls is None:
                return
            saying = encode_frame(encode(self.lost_calls))
            with suppress(OSError):
                if self.write(saying) == len(saying):
                    self.lost_calls = None
                else:
                    self.retire()

    # -- what the background thread and the end of the run do

    def maintain(self) -> None:
        """Sync to the disk, start a new file when this one is long, seal what nobody writes to any more.

        What the disk refuses is tried again the next time, and said once.
        """
        try:
            with self.seal_lock:
                if not self.is_closed:
                    self.maintain_writer()
                self.seal_retired()
            self.is_failing = False
        except (OSError, DataError) as error:
            if not self.is_failing:
                log.warning("the journals in %s can't be synced or sealed, which is tried every second: %s", self.folder, error)
            self.is_failing = True

    def maintain_writer(self) -> None:
        """Maintain the current writer: sync it, and start the next file at the size limit."""
        self.frame_packers.clear()
        writer = self.writer
        if writer is not None and writer.sync() > MAX_FILE_BYTES:
            self.open_writer()
        self.fill_reserve()

    def sync(self) -> None:
        """Wait until everything appended so far is on the disk."""
        for writer in (self.writer, *self.retired_writers):
            if writer is not None:
                writer.sync()

    def seal_retired(self) -> None:
        """Seal the replaced writers that have fallen quiet."""
        with self.seal_lock:
            for writer in list(self.retired_writers):
                if writer.is_quiet:
                    seal(writer.path)
                    self.retired_writers.remove(writer)
                    writer.release()
            if self.is_closed and not self.retired_writers:
                APPENDERS.discard(self)

    def close(self) -> None:
        """End the stream: everything is on disk and sealed (or left for a reader to seal)."""
        if self.lost_calls is not None:
            self.reserve.release()
            self.record_lost_calls()
        with self.seal_lock:
            self.is_closed = True
            self.retire()
            self.reserve.release()
            try:
                self.seal_retired()
            except (OSError, DataError) as error:
                log.warning("%s is left for a reader to seal: %s", self.folder, error)


def make_no_space_error() -> OSError:
    """Return the error that a short write stands for."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


APPENDERS: "weakref.WeakSet[Appender]" = weakref.WeakSet()
"""Every appender of this process that is open."""


def reset_appenders_in_child() -> None:
    """A fork gets new writers, opened when first used."""
    for appender in list(APPENDERS):
        appender.reset_after_fork()


os.register_at_fork(after_in_child=reset_appenders_in_child)
