"""A program that knows nothing of us, as a run: its output is passed on and kept, its signals and its end are ours."""

import codecs
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tasuki.clock import SYSTEM
from tasuki.records import Status
from tasuki.sdk.run import Run

__all__ = ["Program", "exit_code"]

READ_BYTES = 65_536
LOOK_SECONDS = 0.25
KEEP_SECONDS = 1.0
KEEP_BYTES = 32_768
MOST_KEPT_BYTES = 10_000_000
LAST_WORDS_SECONDS = 0.5
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Program(NamedTuple):
    """A program that is there, and its arguments."""

    path: str
    arguments: Sequence[str]

    @classmethod
    def find(cls, command: Sequence[str]) -> "Program | None":
        """The program that a command names; None if there is none."""
        path = shutil.which(command[0])
        return None if path is None else cls(path, command)

    @property
    def name(self) -> str:
        """What it is called."""
        return Path(self.path).name

    def run(self, run: Run) -> int:
        """Run it to its end, as this run; returns its exit status, below zero for the signal that ended it."""
        process = subprocess.Popen(
            [self.path, *self.arguments[1:]], executable=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with passing_on(process), process:
            ProgramSession(run, process).hear()
            status = process.wait()
        run.config["exit_code"] = exit_code(status)
        run.finish(Status.FINISHED if status == 0 else Status.FAILED, None if status == 0 else reason_of(status))
        return status


@contextmanager
def passing_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Signals that come here go to the program. One from the keyboard reaches it by itself."""

    def pass_on(number: int, _: FrameType | None) -> None:
        if not (number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty()):
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class OutputStream:
    """One of the program's two: where it comes from, where it goes on to, and what of it is still to be kept."""

    def __init__(self, name: str, source: int, target: int, keep: Callable[[str, str], None]) -> None:
        self.name = name
        self.source = source
        self.target = target
        self.keep = keep
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.waiting = ""
        self.keep_at = 0.0
        self.left = MOST_KEPT_BYTES
        self.is_over = False

    def pass_on(self) -> bool:
        """Pass on what has come; False at its end, or where nobody wants it any more."""
        data = os.read(self.source, READ_BYTES)
        self.take(data)
        try:
            while data:
                data = data[os.write(self.target, data) :]
        except BrokenPipeError:
            return False
        return not self.is_over

    def take(self, data: bytes) -> None:
        """What is to be kept: ten megabytes, and then that there was more."""
        self.is_over = not data
        if self.left > 0:
            if not self.waiting:
                self.keep_at = SYSTEM.monotonic() + KEEP_SECONDS
            self.left -= len(data)
            self.waiting += self.decode(data, final=not data)
            if self.left <= 0:
                self.waiting += f"\n(what follows is not kept: {MOST_KEPT_BYTES:,} bytes are the most)\n"
        if self.is_over or len(self.waiting) >= KEEP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Keep what is waiting."""
        text, self.waiting = self.waiting, ""
        if text:
            self.keep(self.name, text)


class ProgramSession:
    """Passes both streams on until the program has ended, and its word on to it that it should stop."""

    def __init__(self, run: Run, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.run = run
        self.process = process
        self.selector = selectors.DefaultSelector()
        self.told = False
        for name, source, target in (("stdout", process.stdout, 1), ("stderr", process.stderr, 2)):
            stream = OutputStream(name, source.fileno(), target, run.keep)
            self.selector.register(source, selectors.EVENT_READ, stream)

    def hear(self) -> None:
        """Until both streams have ended, or shortly after the program has: what it left behind may hold them open."""
        ended_at: float | None = None
        while self.selector.get_map():
            for key, _ in self.selector.select(LOOK_SECONDS):
                if not key.data.pass_on():
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr] # it is one of the two files
            now = SYSTEM.monotonic()
            self.look_after(now)
            if self.process.poll() is not None:
                ended_at = ended_at or now
                if now > ended_at + LAST_WORDS_SECONDS:
                    break
        for key in list(self.selector.get_map().values()):
            key.data.flush()
        self.selector.close()

    def look_after(self, now: float) -> None:
        """Keep what has waited long enough, and see whether the run is to stop."""
        for key in list(self.selector.get_map().values()):
            if key.data.waiting and now >= key.data.keep_at:
                key.data.flush()
        if not self.told and self.run.should_stop():
            self.told = True
            self.process.terminate()


def exit_code(status: int) -> int:
    """A status as a shell has it."""
    return 128 - status if status < 0 else status


def reason_of(status: int) -> str:
    """Why a program counts as failed."""
    if status > 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
