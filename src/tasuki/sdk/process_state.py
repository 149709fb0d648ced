"""State of the process: current run, maintenance thread, relays, and exit hooks."""

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
from typing import Protocol

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.journal import JournalFolder, MaintenanceThread
from tasuki.records import AttemptRef, Status, StopCommand
from tasuki.relay import HttpTransport, ProcessSource, RelayThread, SendCounts, StopListener, open_remote_state
from tasuki.sdk.value_conversion import describe_error
from tasuki.settings import Settings, load

__all__ = ["FINISH_DRAIN_SECONDS", "PROCESS", "OpenRun"]

FINISH_DRAIN_SECONDS = 5.0
EXIT_DRAIN_SECONDS = 1.5
RELAY_JOIN_SECONDS = 0.2
EXIT_DIFF_WAIT_SECONDS = 0.1
log = logging.getLogger("tasuki.sdk")


class OpenRun(Protocol):
    """An open run, as far as the process manages it."""

    @property
    def settings(self) -> Settings:
        """The settings that the run was started with."""
        ...

    def get_attempt_ref(self) -> AttemptRef:
        """Return the reference by which a server names this attempt."""
        ...

    def apply_stop_command(self, command: StopCommand) -> None:
        """Accept a stop command."""
        ...

    def append_heartbeat(self) -> None:
        """Record a heartbeat."""
        ...

    def sample_system(self) -> None:
        """Log the load of the machine when a sample is due."""
        ...

    def clear_watchers(self) -> None:
        """Remove the watchers, with a warning."""
        ...

    def wait_for_diff(self, timeout_seconds: float) -> None:
        """Wait at most `timeout_seconds` for the git diff that is still being collected."""
        ...

    def append_status(self, status: Status, reason: str | None) -> None:
        """Record the end of the attempt, if this process owns it."""
        ...

    def disown(self) -> None:
        """Leave the end of the attempt to another process."""
        ...

    def finish(self, status: str = ..., reason: str | None = None) -> SendCounts:
        """End the run, and wait for the relay."""
        ...


class ProcessState:
    """The open runs of this process. A run that is open at exit is recorded as failed."""

    def __init__(self) -> None:
        self.current_run: OpenRun | None = None
        self.watched_run: OpenRun | None = None
        self.open_runs: list[OpenRun] = []
        self.maintenance_thread = MaintenanceThread(self.append_heartbeats, self.run_periodic_tasks)
        self.relays: dict[tuple[Path, str], RelayThread] = {}
        self.journal_paths: dict[tuple[Path, str], list[Path]] = {}
        """The files of each relay, also while it is switched off."""
        self.remote_settings: dict[tuple[Path, str], Settings] = {}
        self.last_settings_error: str | None = None
        self.has_exit_hooks = False

    def add_journal_file(self, settings: Settings, path: Path) -> None:
        """A journal file was opened: it is synced to the disk from now on, and sent if it has a remote."""
        self.maintenance_thread.start()
        if settings.remote:
            self.journal_paths.setdefault((settings.dir, settings.remote), []).append(path)
        self.enable_sending(settings)
        if relay := self.relays.get((settings.dir, settings.remote or "")):
            relay.source.add_journal_file(path)

    def enable_sending(self, settings: Settings) -> RelayThread | None:
        """Start sending this process's journals, and those of dead processes, if a remote is set."""
        self.install_exit_hooks()
        if settings.remote:
            self.maintenance_thread.start()
            self.remote_settings[settings.dir, settings.remote] = settings
            if not settings.disable_write_through:
                return self.start_relay(settings, settings.remote)
        return None

    def start_relay(self, settings: Settings, remote: str) -> RelayThread:
        """From now on what was written for a remote is sent, and what will be."""
        relay = self.relays.get((settings.dir, remote))
        if relay is None:
            relay = self.relays[settings.dir, remote] = self.build_relay(settings, remote)
            for path in self.journal_paths.get((settings.dir, remote), ()):
                relay.source.add_journal_file(path)
        relay.start()
        return relay

    def run_periodic_tasks(self) -> None:
        """Once a second: look at the machine, and after the relays."""
        self.log_system_metrics()
        self.update_relays()

    def log_system_metrics(self) -> None:
        """Log how busy the machine is, for each run at its own interval."""
        for run in list(self.open_runs):
            run.sample_system()

    def update_relays(self) -> None:
        """Obey the switch as it is now, in the environment or the settings file, and revive dead relays."""
        for (folder, remote), settings in list(self.remote_settings.items()):
            try:
                is_off = load(dir=str(folder)).disable_write_through
            except ConfigError as error:
                if self.last_settings_error != str(error):
                    log.warning("the settings stay as they were: %s", error)
                self.last_settings_error = str(error)
                continue
            relay = self.relays.get((folder, remote))
            if is_off and relay is not None:
                relay.stop()
            elif not is_off and (relay is None or relay.is_stopping):
                self.start_relay(settings, remote)
            elif relay is not None:
                relay.restart_if_dead()

    def build_relay(self, settings: Settings, remote: str) -> RelayThread:
        """The relay from a data folder to a remote."""
        with suppress(OSError):  # loads all that its thread will need: a fork during an import hangs the child
            socket.getaddrinfo("127.0.0.1", None, flags=socket.AI_NUMERICHOST)
        key = settings.key(remote)

        def list_attempts() -> list[AttemptRef]:
            mine = [run for run in list(self.open_runs) if (run.settings.dir, run.settings.remote) == (settings.dir, remote)]
            return [run.get_attempt_ref() for run in mine]

        return RelayThread(
            ProcessSource(JournalFolder(settings.journal_root, settings.lock_root), remote),
            HttpTransport(remote, token=key),
            open_remote_state(settings.dir, remote),
            listener=StopListener(remote, settings.dir, key, list_attempts=list_attempts, on_command=self.deliver_stop_command),
            key=key,
        )

    def deliver_stop_command(self, command: StopCommand) -> None:
        """A server wants something of an attempt that is made here."""
        for run in list(self.open_runs):
            attempt = run.get_attempt_ref()
            if (attempt.run, attempt.attempt) == (command.run, command.attempt):
                run.apply_stop_command(command)

    def drain(self, settings: Settings, deadline: float) -> SendCounts:
        """Wait until what was recorded is acknowledged, or the time (of the clock's `monotonic`) has come."""
        relay = self.relays.get((settings.dir, settings.remote or ""))
        return relay.drain(deadline) if relay else SendCounts(sent=0, pending=0)

    def drain_now(self, settings: Settings, paths: Sequence[Path], deadline: float) -> SendCounts:
        """Send files and journals of dead processes until the deadline, where sending is switched off."""
        if not settings.remote or not settings.disable_write_through:
            return self.drain(settings, deadline)
        relay = self.build_relay(settings, settings.remote)
        for path in paths:
            relay.source.add_journal_file(path)
        relay.start()
        sent = relay.drain(deadline)
        relay.stop()
        return sent

    def add_open_run(self, run: OpenRun) -> None:
        """A run is open: watch over it to the end of the process."""
        self.open_runs.append(run)
        self.install_exit_hooks()

    def install_exit_hooks(self) -> None:
        """Be there when the process ends."""
        if not self.has_exit_hooks:
            self.has_exit_hooks = True
            atexit.register(self.handle_exit)
            if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self.handle_sigterm)

    def set_current_run(self, run: OpenRun) -> None:
        """From now on the functions of the facade mean this run; the one before is finished."""
        if self.watched_run is not None:
            self.watched_run.clear_watchers()
            self.watched_run = None
        before, self.current_run = self.current_run, run
        if before is not None:
            before.finish()

    def remove_open_run(self, run: OpenRun) -> None:
        """A run is finished."""
        self.open_runs.remove(run)
        if self.current_run is run:
            self.current_run = None
        if self.watched_run is run:
            self.watched_run = None

    def append_heartbeats(self) -> None:
        """Say that the runs' process lives."""
        for run in list(self.open_runs):
            run.append_heartbeat()

    def reset_after_fork(self) -> None:
        """A forked child may log to the runs; their beginning and end are the parent's to say."""
        for run in self.open_runs:
            run.disown()
        self.open_runs = []
        self.maintenance_thread.reset_after_fork()
        self.relays, self.journal_paths, self.remote_settings = {}, {}, {}

    def handle_exit(self) -> None:
        """The interpreter ends, and some runs are open: they failed."""
        error = getattr(sys, "last_value", None)
        for run in list(self.open_runs):
            run.wait_for_diff(EXIT_DIFF_WAIT_SECONDS)
        self.fail_open_runs(describe_error(error) if error else "the interpreter ended without finish()")
        self.maintenance_thread.stop()
        for relay in self.relays.values():
            relay.stop()
            relay.join(RELAY_JOIN_SECONDS)

    def handle_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        """Note it, then die of the signal as if nobody had listened."""
        self.fail_open_runs("SIGTERM")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def fail_open_runs(self, reason: str) -> None:
        """Put a final status on every open run, then give the relays a moment."""
        for run in list(self.open_runs):
            run.append_status(Status.FAILED, reason)
        deadline = SYSTEM_CLOCK.monotonic() + EXIT_DRAIN_SECONDS
        for relay in self.relays.values():
            relay.wait_until_sent(deadline)


PROCESS = ProcessState()
os.register_at_fork(after_in_child=PROCESS.reset_after_fork)
