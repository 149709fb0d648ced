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

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import DataError, JournalError, warn_user
from tasuki.journal.disk_reserve import DiskReserve
from tasuki.journal.seal import seal
from tasuki.journal.writer import JournalWriter, new_header
from tasuki.records import MAX_PAYLOAD_BYTES, LostCalls, encode, frame

__all__ = ["APPENDERS", "LONGEST_FILE_BYTES", "Appender"]

LONGEST_FILE_BYTES = 32 * 1024 * 1024
FULL = {errno.ENOSPC, errno.EDQUOT}
"""What a later write to the same file may get over."""
Write = Callable[[bytes], int | None]
pack = struct.Struct("<II").pack
log = logging.getLogger("tasuki.journal")


class Appender:
    """The way into the journal for one run and one process. `folder` holds the journals, `lock_folder` their locks.

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
        opening: Callable[[], list[bytes]] = list,
        on_open: Callable[[Path], None] = lambda _: None,
        remote: str = "",
        clock: Clock = SYSTEM,
    ) -> None:
        self.project = project
        self.run = run
        self.folder = folder
        self.lock_folder = lock_folder
        self.opening = opening
        self.on_open = on_open
        self.remote = remote
        self.clock = clock
        self.writer: JournalWriter | None = None
        self.write: Write = self.open_and_write
        self.retired: list[JournalWriter] = []
        self.reserve = DiskReserve(folder)
        self.lost: LostCalls | None = None
        self.packers: dict[int, Callable[[int, int, bytes], bytes]] = {}
        self.closed = False
        self.in_trouble = False
        self.counting = threading.RLock()
        self.sealing = threading.RLock()
        APPENDERS.add(self)

    # -- the hot path

    def append(self, payload: bytes) -> None:
        """Append one record. It never raises for the disk: what can't be written is counted, and said once."""
        size = len(payload)
        if size > MAX_PAYLOAD_BYTES:
            self.lose(OSError(errno.EFBIG, f"a record has {size} bytes, {MAX_PAYLOAD_BYTES} are the most"))
            return
        frame = pack(size, crc32(payload)) + payload
        try:
            written = self.write(frame)
        except OSError as error:
            self.refused(error)
        except BaseException:
            self.retire()
            raise
        else:
            if written != len(frame) or self.lost is not None:
                self.settle(written, len(frame))

    def refused(self, error: OSError) -> None:
        """The disk refused a write: the call is counted. Where it may be more than want of room, the writer ends."""
        if error.errno not in FULL:
            self.retire()
        self.lose(error)

    def settle(self, written: int | None, size: int) -> None:
        """After a write that was cut short, the writer ends; after one that was not, what was lost before is said."""
        if written != size:
            self.retire()
            self.lose(no_space())
        else:
            self.say_what_was_lost()

    def note_plain(self, size: int) -> None:
        """All values of a call whose payload has this size were numbers: for a second, others of that size are taken for such.

        `packers` makes their frames; it is empty while the loss of calls has still to be said. To look at each value takes a fifth
        of a call. What goes by, a text of 8 letters in a number's place, is listed as rejected by the projection, which keeps the
        other values.
        """
        if size <= MAX_PAYLOAD_BYTES:
            self.packers[size] = struct.Struct(f"<II{size}s").pack
        if self.lost is not None:
            self.packers.clear()

    def append_important(self, payload: bytes) -> None:
        """Append a status or an alert: when the disk is full, the reserve is given up for it."""
        lost = self.lost
        self.append(payload)
        if self.lost not in (None, lost):
            with self.counting:
                if self.reserve.give_up():
                    self.lost = lost
                    self.append(payload)
                    self.keep_reserve()

    # -- opening and replacing writers

    def open(self) -> None:
        """Open a writer. JournalError, with what to do, if that can't be."""
        try:
            self.open_writer(needs_reserve=True)
        except OSError as error:
            self.reserve.give_up()
            raise JournalError(
                f"the journal folder {self.folder} can't be written: {error.strerror or error}",
                hint="free some space, or choose another folder: export TASUKI_DIR=/path",
            ) from error

    def open_writer(self, *, needs_reserve: bool = False) -> Write:
        """A new writer, from now on the one that is written to; returns its bare write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock_folder.mkdir(parents=True, exist_ok=True)
        header = new_header(self.project, self.run, created=self.clock.now_us(), remote=self.remote)
        if needs_reserve and not self.reserve.keep(header.writer):
            raise no_space()
        writer = JournalWriter.create(header, self.folder, self.lock_folder, self.opening())
        write = writer.write
        replaced, self.writer = self.writer, writer
        self.write = write
        if replaced is not None:
            replaced.retire()
            self.retired.append(replaced)
        self.on_open(writer.path)
        return write

    def open_and_write(self, frame: bytes) -> int | None:
        """What `write` is while there is no writer."""
        if self.closed:
            warn_user("the run is finished: what is logged now is not kept")
            return len(frame)
        return self.open_writer()(frame)

    def retire(self) -> None:
        """End the writer: the next call opens another one."""
        self.write = self.open_and_write
        writer, self.writer = self.writer, None
        if writer is not None:
            writer.retire()
            self.retired.append(writer)

    def forked(self) -> None:
        """In a forked child: forget the parent's writers; they are its own."""
        for writer in (self.writer, *self.retired):
            if writer is not None:
                writer.abandon_in_child()
        self.writer, self.retired = None, []
        self.reserve, self.lost = DiskReserve(self.folder), None
        self.opening = list
        self.counting = threading.RLock()
        self.sealing = threading.RLock()
        self.write = self.open_and_write

    # -- a full disk

    def keep_reserve(self) -> None:
        """Hold room for what must still be said when the disk is full, or what there is of it."""
        with self.counting, suppress(OSError):
            if self.writer is not None and self.lost is None:
                self.reserve.keep(self.writer.header.writer)

    def lose(self, error: OSError) -> None:
        """Count a call that could not be written; say so the first time."""
        now = self.clock.now_us()
        with self.counting:
            first = self.lost is None
            n, since = (self.lost.n, self.lost.since) if self.lost else (0, now)
            self.lost = LostCalls(time=now, n=n + 1, since=since, until=now)
            self.packers.clear()
        if first:
            reason = error.strerror or error
            warn_user(f"tasuki can't write to {self.folder}: {reason}; the run goes on, and what is lost is counted")

    def say_what_was_lost(self) -> None:
        """Put the count on record, now that there may be room."""
        with self.counting:
            if self.lost is None:
                return
            saying = frame(encode(self.lost))
            with suppress(OSError):
                if self.write(saying) == len(saying):
                    self.lost = None
                else:
                    self.retire()

    # -- what the background thread and the end of the run do

    def tend(self) -> None:
        """Sync to the disk, start a new file when this one is long, seal what nobody writes to any more.

        What the disk refuses is tried again the next time, and said once.
        """
        try:
            with self.sealing:
                if not self.closed:
                    self.tend_writer()
                self.seal_retired()
            self.in_trouble = False
        except (OSError, DataError) as error:
            if not self.in_trouble:
                log.warning("the journals in %s can't be synced or sealed, which is tried every second: %s", self.folder, error)
            self.in_trouble = True

    def tend_writer(self) -> None:
        """What there is to do for the writer of now."""
        self.packers.clear()
        writer = self.writer
        if writer is not None and writer.sync() > LONGEST_FILE_BYTES:
            self.open_writer()
        self.keep_reserve()

    def sync(self) -> None:
        """Wait until everything appended so far is on the disk."""
        for writer in (self.writer, *self.retired):
            if writer is not None:
                writer.sync()

    def seal_retired(self) -> None:
        """Seal the replaced writers that have fallen quiet."""
        with self.sealing:
            for writer in list(self.retired):
                if writer.quiet:
                    seal(writer.path)
                    self.retired.remove(writer)
                    writer.release()
            if self.closed and not self.retired:
                APPENDERS.discard(self)

    def close(self) -> None:
        """End the stream: nothing more is appended, everything is on the disk and sealed (or left for a reader to seal)."""
        if self.lost is not None:
            self.reserve.give_up()
            self.say_what_was_lost()
        with self.sealing:
            self.closed = True
            self.retire()
            self.reserve.give_up()
            try:
                self.seal_retired()
            except (OSError, DataError) as error:
                log.warning("%s is left for a reader to seal: %s", self.folder, error)


def no_space() -> OSError:
    """What a short write means."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


APPENDERS: "weakref.WeakSet[Appender]" = weakref.WeakSet()
"""Every appender of this process that is open."""


def forget_in_child() -> None:
    """A fork gets new writers, opened when first used."""
    for appender in list(APPENDERS):
        appender.forked()


os.register_at_fork(after_in_child=forget_in_child)
