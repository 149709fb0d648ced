"""What a process has one of: the current run, the background thread, and the ways it can end."""

import atexit
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tasuki.clock import SYSTEM
from tasuki.errors import ConfigError, warn_user
from tasuki.journal import JournalFolder, MaintenanceThread
from tasuki.records import AttemptRef, Status, StopCommand
from tasuki.relay import HttpTransport, ProcessSource, RelayThread, SendCounts, StopListener, open_kept
from tasuki.sdk.value_conversion import text_of_error
from tasuki.settings import Settings, load

if TYPE_CHECKING:
    from tasuki.sdk.run import Run

__all__ = ["FINISH_DRAIN_SECONDS", "PROCESS"]

FINISH_DRAIN_SECONDS = 5.0
EXIT_DRAIN_SECONDS = 1.5
CLOSE_SECONDS = 0.2
LAST_NOTES_SECONDS = 0.1
log = logging.getLogger("tasuki.sdk")


class ProcessState:
    """The runs that this process has open. One that ends without `finish()` has failed, and says so before it goes."""

    def __init__(self) -> None:
        self.current: Run | None = None
        self.watched: Run | None = None
        self.open_runs: list[Run] = []
        self.pulse = MaintenanceThread(self.beat, self.watch)
        self.relays: dict[tuple[Path, str], RelayThread] = {}
        self.paths: dict[tuple[Path, str], list[Path]] = {}
        """The files of each relay, also while it is switched off."""
        self.remotes: dict[tuple[Path, str], Settings] = {}
        self.complaint: str | None = None
        self.hooked = False

    def writes(self, settings: Settings, path: Path) -> None:
        """A journal file was opened: it is synced to the disk from now on, and sent if it has a remote."""
        self.pulse.start()
        if settings.remote:
            self.paths.setdefault((settings.dir, settings.remote), []).append(path)
        self.sends(settings)
        if relay := self.relays.get((settings.dir, settings.remote or "")):
            relay.source.add(path)

    def sends(self, settings: Settings) -> RelayThread | None:
        """What is recorded is sent from now on, and what dead processes left behind, if there is a remote."""
        self.hook()
        if settings.remote:
            self.pulse.start()
            self.remotes[settings.dir, settings.remote] = settings
            if not settings.disable_write_through:
                return self.send(settings, settings.remote)
        return None

    def send(self, settings: Settings, remote: str) -> RelayThread:
        """From now on what was written for a remote is sent, and what will be."""
        relay = self.relays.get((settings.dir, remote))
        if relay is None:
            relay = self.relays[settings.dir, remote] = self.new_relay(settings, remote)
            for path in self.paths.get((settings.dir, remote), ()):
                relay.source.add(path)
        relay.start()
        return relay

    def watch(self) -> None:
        """Once a second: look at the machine, and after the relays."""
        self.sample()
        self.watch_relays()

    def sample(self) -> None:
        """Log how busy the machine is, for each run at its own interval."""
        for run in list(self.open_runs):
            if run.sampler is not None and not run.finished and (found := run.sampler.sample()):
                run.note_load(found)

    def watch_relays(self) -> None:
        """Obey the switch as it is now, in the environment or the settings file, and revive dead relays."""
        for (folder, remote), settings in list(self.remotes.items()):
            try:
                is_off = load(dir=str(folder)).disable_write_through
            except ConfigError as error:
                if self.complaint != str(error):
                    log.warning("the settings stay as they were: %s", error)
                self.complaint = str(error)
                continue
            relay = self.relays.get((folder, remote))
            if is_off and relay is not None:
                relay.stop()
            elif not is_off and (relay is None or relay.stopping):
                self.send(settings, remote)
            elif relay is not None:
                relay.watch()

    def new_relay(self, settings: Settings, remote: str) -> RelayThread:
        """The relay from a data folder to a remote."""
        with suppress(OSError):  # loads all that its thread will need: a fork during an import hangs the child
            socket.getaddrinfo("127.0.0.1", None, flags=socket.AI_NUMERICHOST)
        key = settings.key(remote)

        def runs() -> list[AttemptRef]:
            mine = [run for run in list(self.open_runs) if (run.settings.dir, run.settings.remote) == (settings.dir, remote)]
            return [run.listening() for run in mine]

        return RelayThread(
            ProcessSource(JournalFolder(settings.journal_root, settings.lock_root), remote),
            HttpTransport(remote, token=key),
            open_kept(settings.dir, remote),
            listener=StopListener(remote, settings.dir, key, runs=runs, told=self.told),
            key=key,
        )

    def told(self, control: StopCommand) -> None:
        """A server wants something of an attempt that is made here."""
        for run in list(self.open_runs):
            if (run.id, run.started.attempt) == (control.run, control.attempt):
                run.stop_signal.obey(control)

    def drain(self, settings: Settings, deadline: float) -> SendCounts:
        """Wait until what was recorded is acknowledged, or the time (of the clock's `monotonic`) has come."""
        relay = self.relays.get((settings.dir, settings.remote or ""))
        return relay.drain(deadline) if relay else SendCounts(sent=0, pending=0)

    def drain_now(self, settings: Settings, paths: Sequence[Path], deadline: float) -> SendCounts:
        """The same where nothing is sent by itself: send these files, and what dead processes left, until the deadline."""
        if not settings.remote or not settings.disable_write_through:
            return self.drain(settings, deadline)
        relay = self.new_relay(settings, settings.remote)
        for path in paths:
            relay.source.add(path)
        relay.start()
        sent = relay.drain(deadline)
        relay.stop()
        return sent

    def began(self, run: "Run") -> None:
        """A run is open: watch over it to the end of the process."""
        self.open_runs.append(run)
        self.hook()

    def hook(self) -> None:
        """Be there when the process ends."""
        if not self.hooked:
            self.hooked = True
            atexit.register(self.at_exit)
            if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self.at_sigterm)

    def made_current(self, run: "Run") -> None:
        """From now on the functions of the facade mean this run; the one before is finished."""
        if self.watched is not None:
            warn_user(f"init() clears the watchers of run {self.watched.name!r}: call tasuki.watch() again", UserWarning)
            self.watched.watchers = None
            self.watched = None
        before, self.current = self.current, run
        if before is not None:
            before.finish()

    def ended(self, run: "Run") -> None:
        """A run is finished."""
        self.open_runs.remove(run)
        if self.current is run:
            self.current = None
        if self.watched is run:
            self.watched = None

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
        self.relays, self.paths, self.remotes = {}, {}, {}

    def at_exit(self) -> None:
        """The interpreter ends, and some runs are open: they failed."""
        error = getattr(sys, "last_value", None)
        for run in list(self.open_runs):
            run.take_last_notes(LAST_NOTES_SECONDS)
        self.fail_all(text_of_error(error) if error else "the interpreter ended without finish()")
        self.pulse.stop()
        for relay in self.relays.values():
            relay.stop()
            relay.join(CLOSE_SECONDS)

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


PROCESS = ProcessState()
os.register_at_fork(after_in_child=PROCESS.in_child)
