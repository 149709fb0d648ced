"""Run any program as a run: forward and record its output, its signals, and its exit code."""

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

from tasuki.clock import SYSTEM_CLOCK
from tasuki.records import Status
from tasuki.sdk.run import Run

__all__ = ["Program", "compute_exit_code"]

READ_BYTES = 65_536
POLL_SECONDS = 0.25
FLUSH_INTERVAL_SECONDS = 1.0
FLUSH_BYTES = 32_768
MAX_RECORDED_BYTES = 10_000_000
DRAIN_SECONDS = 0.5
FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


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
        """Return the program's name."""
        return Path(self.path).name

    def run(self, run: Run) -> int:
        """Run it to its end, as this run; returns its exit status, below zero for the signal that ended it."""
        process = subprocess.Popen(
            [self.path, *self.arguments[1:]], executable=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with forward_signals(process), process:
            ProgramSession(run, process).forward_output()
            status = process.wait()
        run.config["exit_code"] = compute_exit_code(status)
        run.finish(Status.FINISHED if status == 0 else Status.FAILED, None if status == 0 else describe_failure(status))
        return status


@contextmanager
def forward_signals(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Signals that come here go to the program. One from the keyboard reaches it by itself."""

    def forward_signal(number: int, _: FrameType | None) -> None:
        if not (number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty()):
            process.send_signal(number)

    before = {number: signal.signal(number, forward_signal) for number in FORWARDED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class OutputStream:
    """The program's stdout or stderr: source, destination, and the bytes still to be recorded."""

    def __init__(self, name: str, source: int, target: int, record_text: Callable[[str, str], None]) -> None:
        self.name = name
        self.source = source
        self.target = target
        self.record_text = record_text
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.buffered_text = ""
        self.flush_at = 0.0
        self.remaining_bytes = MAX_RECORDED_BYTES
        self.is_at_end = False

    def forward(self) -> bool:
        """Pass on what has come; False at its end, or where nobody wants it any more."""
        data = os.read(self.source, READ_BYTES)
        self.buffer_output(data)
        try:
            while data:
                data = data[os.write(self.target, data) :]
        except BrokenPipeError:
            return False
        return not self.is_at_end

    def buffer_output(self, data: bytes) -> None:
        """Buffer output for recording: ten megabytes, then a note that there was more."""
        self.is_at_end = not data
        if self.remaining_bytes > 0:
            if not self.buffered_text:
                self.flush_at = SYSTEM_CLOCK.monotonic() + FLUSH_INTERVAL_SECONDS
            self.remaining_bytes -= len(data)
            self.buffered_text += self.decode(data, final=not data)
            if self.remaining_bytes <= 0:
                self.buffered_text += f"\n(what follows is not kept: {MAX_RECORDED_BYTES:,} bytes are the most)\n"
        if self.is_at_end or len(self.buffered_text) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Keep what is waiting."""
        text, self.buffered_text = self.buffered_text, ""
        if text:
            self.record_text(self.name, text)


class ProgramSession:
    """Passes both streams on until the program has ended, and its word on to it that it should stop."""

    def __init__(self, run: Run, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.run = run
        self.process = process
        self.selector = selectors.DefaultSelector()
        self.has_sent_stop = False
        for name, source, target in (("stdout", process.stdout, 1), ("stderr", process.stderr, 2)):
            stream = OutputStream(name, source.fileno(), target, run.keep)
            self.selector.register(source, selectors.EVENT_READ, stream)

    def forward_output(self) -> None:
        """Forward output until both streams end, or shortly after the program does.

        Its children may hold them open.
        """
        ended_at: float | None = None
        while self.selector.get_map():
            for key, _ in self.selector.select(POLL_SECONDS):
                if not key.data.forward():
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr] # it is one of the two files
            now = SYSTEM_CLOCK.monotonic()
            self.flush_and_check_stop(now)
            if self.process.poll() is not None:
                ended_at = ended_at or now
                if now > ended_at + DRAIN_SECONDS:
                    break
        for key in list(self.selector.get_map().values()):
            key.data.flush()
        self.selector.close()

    def flush_and_check_stop(self, now: float) -> None:
        """Keep what has waited long enough, and see whether the run is to stop."""
        for key in list(self.selector.get_map().values()):
            if key.data.buffered_text and now >= key.data.flush_at:
                key.data.flush()
        if not self.has_sent_stop and self.run.should_stop():
            self.has_sent_stop = True
            self.process.terminate()


def compute_exit_code(status: int) -> int:
    """A status as a shell has it."""
    return 128 - status if status < 0 else status


def describe_failure(status: int) -> str:
    """Why a program counts as failed."""
    if status > 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
