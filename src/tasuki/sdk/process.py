"""What a process has one of: the current run, the background thread, and the ways it can end."""

import atexit
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tasuki.clock import SYSTEM
from tasuki.errors import ConfigError
from tasuki.journal import Folder, Pulse
from tasuki.records import Status
from tasuki.relay import FileAcks, HttpTransport, Outgoing, Relay, Sent, acks_path
from tasuki.sdk.values import text_of_error
from tasuki.settings import Settings

if TYPE_CHECKING:
    from tasuki.sdk.run import Run

__all__ = ["FINISH_DRAIN_SECONDS", "PROCESS"]

FINISH_DRAIN_SECONDS = 5.0
EXIT_DRAIN_SECONDS = 1.5


class Process:
    """The runs that this process has open. One that ends without `finish()` has failed, and says so before it goes."""

    def __init__(self) -> None:
        self.current: Run | None = None
        self.open_runs: list[Run] = []
        self.pulse = Pulse(self.beat)
        self.relays: dict[tuple[Path, str], Relay] = {}
        self.hooked = False

    def writes(self, settings: Settings, path: Path) -> None:
        """A journal file was opened: it is synced to the disk from now on, and sent if it has a remote."""
        self.pulse.start()
        if settings.remote and not settings.disable_write_through:
            relay = self.relays.get((settings.dir, settings.remote))
            if relay is None:
                relay = self.relays[settings.dir, settings.remote] = new_relay(settings, settings.remote)
            relay.source.add(path)
            relay.start()

    def drain(self, settings: Settings, deadline: float) -> Sent:
        """Wait until what was recorded is acknowledged, or the time (of the clock's `monotonic`) has come."""
        relay = self.relays.get((settings.dir, settings.remote or ""))
        return relay.drain(deadline) if relay else Sent(sent=0, pending=0)

    def began(self, run: "Run") -> None:
        """A run is open: watch over it to the end of the process."""
        self.open_runs.append(run)
        if not self.hooked:
            self.hooked = True
            atexit.register(self.at_exit)
            if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self.at_sigterm)

    def made_current(self, run: "Run") -> None:
        """From now on the functions of the facade mean this run; the one before is finished."""
        before, self.current = self.current, run
        if before is not None:
            before.finish()

    def ended(self, run: "Run") -> None:
        """A run is finished."""
        self.open_runs.remove(run)
        if self.current is run:
            self.current = None

    def here(self) -> "Run":
        """The current run. ConfigError if there is none."""
        if self.current is None:
            raise ConfigError("there is no run", hint='begin with: tasuki.init(project="digits")')
        return self.current

    def beat(self) -> None:
        """Say that the runs' process lives."""
        for run in list(self.open_runs):
            run.beat()

    def in_child(self) -> None:
        """A forked child may log to the runs; their beginning and end are the parent's to say."""
        for run in self.open_runs:
            run.owned = False
        self.open_runs = []
        self.pulse.forked()
        self.relays = {}

    def at_exit(self) -> None:
        """The interpreter ends, and some runs are open: they failed."""
        error = getattr(sys, "last_value", None)
        self.fail_all(text_of_error(error) if error else "the interpreter ended without finish()")

    def at_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        """Note it, then die of the signal as if nobody had listened."""
        self.fail_all("SIGTERM")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def fail_all(self, reason: str) -> None:
        """Put a final status on every open run, then give the relays a moment."""
        for run in list(self.open_runs):
            run.say_status(Status.FAILED, reason)
        deadline = SYSTEM.monotonic() + EXIT_DRAIN_SECONDS
        for relay in self.relays.values():
            relay.wait(deadline)


def new_relay(settings: Settings, remote: str) -> Relay:
    """The relay from a data folder to a remote."""
    with suppress(OSError):
        socket.getaddrinfo("localhost", None)  # loads all that its thread will need: a fork during an import hangs the child
    source = Outgoing(Folder(settings.journal_root, settings.lock_root), remote)
    return Relay(source, HttpTransport(remote, token=settings.token), FileAcks(acks_path(settings.dir, remote)))


PROCESS = Process()
os.register_at_fork(after_in_child=PROCESS.in_child)
