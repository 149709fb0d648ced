"""Appending records for one run: encode, one write, nothing else.

`append` shares no state: no lock, no queue, no flag. What is rare happens beside it. A fork, a file past 32 MiB, a short write or
an exception between write and return each end the writer; the next call opens another one. Two threads that find no writer each
open one, and both streams are whole. Replaced writers are sealed once nobody can write to them any more.
"""

import logging
import os
import secrets
import struct
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import JournalError
from tasuki.journal.seal import seal
from tasuki.journal.writer import Writer, new_header
from tasuki.records import MAX_PAYLOAD_BYTES, Lost, encode

__all__ = ["LONGEST_FILE_BYTES", "RESERVE_BYTES", "Appender"]

LONGEST_FILE_BYTES = 32 * 1024 * 1024
RESERVE_BYTES = 64 * 1024
RESERVE_SUFFIX = ".reserve"
Write = Callable[[bytes], int | None]
pack = struct.Struct("<II").pack
log = logging.getLogger("tasuki.journal")


class Appender:
    """The way into the journal for one run and one process. `folder` holds the journals, `lock_folder` their locks.

    `opening` is asked for the records that a new file begins with, so that a file is never seen without them; `on_open` is called
    when a call finds no writer, which in a forked child means: there is no background thread yet.
    """

    def __init__(  # noqa: PLR0913 - where, what for, and two calls back
        self,
        *,
        project: str,
        run: str,
        folder: Path,
        lock_folder: Path,
        opening: Callable[[], list[bytes]] = list,
        on_open: Callable[[], None] = lambda: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.project = project
        self.run = run
        self.folder = folder
        self.lock_folder = lock_folder
        self.opening = opening
        self.on_open = on_open
        self.clock = clock
        self.writer: Writer | None = None
        self.write: Write = self.open_and_write
        self.retired: list[Writer] = []
        self.reserve: Path | None = None
        self.lost: Lost | None = None
        self.closed = False
        self.counting = threading.RLock()
        self.sealing = threading.RLock()
        APPENDERS.add(self)

    # -- the hot path

    def append(self, payload: bytes) -> None:
        """Append one record. It never raises for the disk: what can't be written is counted, and said once."""
        size = len(payload)
        frame = pack(size, crc32(payload)) + payload
        try:
            written = self.write(frame)
        except OSError as error:
            self.lose(error)
            return
        except BaseException:
            self.retire()
            raise
        if written != size + 8:
            self.retire()
            self.lose(OSError(28, "No space left on device"))
        elif self.lost is not None:
            self.say_what_was_lost()

    def append_important(self, payload: bytes) -> None:
        """Append a status or an alert: when the disk is full, the reserve is given up for it."""
        lost = self.lost
        self.append(payload)
        if self.lost not in (None, lost) and self.give_up_reserve():
            self.lost = lost
            self.append(payload)

    # -- opening and replacing writers

    def open(self) -> None:
        """Open a writer. JournalError, with what to do, if that can't be."""
        try:
            self.open_writer()
        except OSError as error:
            raise JournalError(
                f"the journal folder {self.folder} can't be written: {error.strerror or error}",
                hint="free some space, or choose another folder: export TASUKI_DIR=/path",
            ) from error

    def open_writer(self) -> Write:
        """A new writer, from now on the one that is written to; returns its bare write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock_folder.mkdir(parents=True, exist_ok=True)
        header = new_header(self.project, self.run, created=self.clock.now_us())
        self.keep_reserve(header.writer)
        writer = Writer.create(header, self.folder, self.lock_folder, self.opening())
        write = writer.write
        replaced, self.writer = self.writer, writer
        self.write = write
        if replaced is not None:
            replaced.retire()
            self.retired.append(replaced)
        return write

    def open_and_write(self, frame: bytes) -> int | None:
        """What `write` is while there is no writer."""
        if self.closed:
            warnings.warn("the run is finished: what is logged now is not kept", RuntimeWarning, stacklevel=4)
            return len(frame)
        self.on_open()
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
        self.writer, self.retired, self.reserve = None, [], None
        self.opening = list
        self.counting = threading.RLock()
        self.sealing = threading.RLock()
        self.write = self.open_and_write

    # -- a full disk

    def keep_reserve(self, writer: str) -> None:
        """Hold room for what must still be said when the disk is full: a file of random bytes, named after the writer."""
        reserve = self.folder / f"{writer}{RESERVE_SUFFIX}"
        if self.reserve is not None:
            self.reserve = self.reserve.rename(reserve)
        elif self.lost is None:
            reserve.write_bytes(secrets.token_bytes(RESERVE_BYTES))
            self.reserve = reserve

    def give_up_reserve(self) -> bool:
        """Free the room. False if it was gone already."""
        reserve, self.reserve = self.reserve, None
        if reserve is None:
            return False
        reserve.unlink(missing_ok=True)
        return True

    def lose(self, error: OSError) -> None:
        """Count a call that could not be written; say so the first time."""
        now = self.clock.now_us()
        with self.counting:
            first = self.lost is None
            n, since = (self.lost.n, self.lost.since) if self.lost else (0, now)
            self.lost = Lost(time=now, n=n + 1, since=since, until=now)
        if first:
            warnings.warn(
                f"tasuki can't write to {self.folder}: {error.strerror or error}; the run goes on, and what is lost is counted",
                RuntimeWarning,
                stacklevel=4,
            )

    def say_what_was_lost(self) -> None:
        """Put the count on record, now that there may be room."""
        with self.counting:
            lost, self.lost = self.lost, None
            if lost is not None:
                self.append(encode(lost))
            if self.lost is not None:
                self.lost = lost

    # -- what the background thread and the end of the run do

    def tend(self) -> None:
        """Sync to the disk, start a new file when this one is long, seal what nobody writes to any more."""
        writer = self.writer
        if writer is not None:
            if writer.sync() > LONGEST_FILE_BYTES:
                self.open_writer()
            elif self.reserve is None and self.lost is None:
                self.keep_reserve(writer.header.writer)
        self.seal_retired()

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

    def close(self) -> None:
        """End the stream: nothing more is appended, everything is on the disk and sealed (or left for a reader to seal)."""
        if self.lost is not None and self.give_up_reserve():
            self.say_what_was_lost()
        self.closed = True
        self.retire()
        self.give_up_reserve()
        try:
            self.seal_retired()
        except OSError as error:
            log.warning("%s is left for a reader to seal: %s", self.folder, error)
        APPENDERS.discard(self)


APPENDERS: "weakref.WeakSet[Appender]" = weakref.WeakSet()
"""Every appender of this process that is open."""


def forget_in_child() -> None:
    """A fork gets new writers, opened when first used."""
    for appender in list(APPENDERS):
        appender.forked()


os.register_at_fork(after_in_child=forget_in_child)
assert MAX_PAYLOAD_BYTES < 2**32
