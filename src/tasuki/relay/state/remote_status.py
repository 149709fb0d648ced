"""Persisted status of a remote: `relay/<remote>.json` for processes, `sync-errors.log` for people."""

import logging
import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.clock import SYSTEM_CLOCK, Clock, datetime_from_us
from tasuki.relay.state.acks import remote_file_path

__all__ = ["ALERTS_FILE", "ERRORS_FILE", "RemoteHealth", "RemoteStatus", "RemoteStatusFile", "list_remote_statuses", "status_path"]

ERRORS_FILE = "sync-errors.log"
ALERTS_FILE = "alerts.log"
LARGE_BACKLOG, SMALL_BACKLOG = 1000, 800
MAX_LOG_BYTES = 1024 * 1024
WRITE_INTERVAL_US = 10_000_000
log = logging.getLogger("tasuki.relay")


class RemoteHealth(StrEnum):
    """Health of a remote."""

    OK = "ok"
    BACKING_OFF = "backing off"
    PAUSED = "paused"


class RemoteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of a remote as the last writing process knows it. Times are microseconds UTC."""

    remote: str
    pid: int = 0
    seen: int = 0
    health: RemoteHealth = RemoteHealth.OK
    last_success: int | None = None
    last_error: str | None = None
    last_error_at: int | None = None
    attempts: int = 0
    restarts: int = 0
    backlog: bool = False
    """There were more than 1000 records pending, and have not been fewer than 800 since."""
    pending: int = 0
    """How many were, when last counted."""


decode = msgspec.json.Decoder(RemoteStatus).decode


class RemoteStatusFile:
    """The status file of one remote, written on every change, and every five seconds otherwise."""

    def __init__(self, folder: Path, remote: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.folder = folder
        self.path = status_path(folder, remote)
        self.clock = clock
        self.status = read_status(self.path) or RemoteStatus(remote=remote)
        self.last_success = self.status.last_success

    def record_success(self, health: RemoteHealth, has_answered: bool, *, restarts: int = 0) -> None:
        """Record a success: the remote answered as it should, or nothing had to be sent."""
        now = self.clock.now_us()
        if has_answered:
            self.last_success = now
        if self.status.health is not health or not 0 <= now - self.status.seen < WRITE_INTERVAL_US:
            attempts = 0 if health is RemoteHealth.OK else self.status.attempts
            self.update(health=health, last_success=self.last_success, attempts=attempts, restarts=restarts)

    def record_failure(self, health: RemoteHealth, error: str, attempts: int, *, secret: str | None = None) -> None:
        """Record a failure. Log what pauses the remote as an error, once for each reason."""
        error = error.replace(secret, "***") if secret else error
        before = self.status
        self.update(health=health, last_error=error, last_error_at=self.clock.now_us(), attempts=attempts)
        if health is RemoteHealth.PAUSED and (before.health, before.last_error) != (health, error):
            log.error("nothing is sent to %s until this is put right: %s", self.status.remote, error)
            self.append_message(ERRORS_FILE, error)

    def record_pending(self, pending: int) -> None:
        """Record the number of unacknowledged records; alert when they are many, and when they are few again."""
        before = self.status.backlog
        backlog = pending >= SMALL_BACKLOG if before else pending > LARGE_BACKLOG
        if (backlog, pending) != (before, self.status.pending):
            self.update(backlog=backlog, pending=pending)
        if backlog != before:
            self.append_message(ALERTS_FILE, f"{pending} records are pending{'' if backlog else ': no longer many'}")

    def append_message(self, name: str, text: str) -> None:
        """Write a line for people to a file of the folder; on a full disk, only to the log."""
        try:
            self.append_line(self.folder / name, text)
        except OSError as error:
            log.warning("%s can't be written (%s): %s", name, error, text)

    def append_line(self, path: Path, text: str) -> None:
        """Append a line; start the file anew at 1 MiB."""
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size > MAX_LOG_BYTES:
                os.ftruncate(descriptor, 0)
            when = datetime_from_us(self.clock.now_us()).isoformat(timespec="seconds")
            os.write(descriptor, f"{when} {self.status.remote} {' '.join(text.split())}\n".encode())
        finally:
            os.close(descriptor)

    def update(self, **changes: object) -> None:
        """Write the status as a whole. In a folder that cannot be written, the old status stays."""
        self.status = msgspec.structs.replace(self.status, pid=os.getpid(), seen=self.clock.now_us(), **changes)
        with suppress(OSError):
            replace_file(self.path, msgspec.json.encode(self.status))


def status_path(folder: Path, remote: str) -> Path:
    """Return the path of a remote's status in a data folder."""
    return remote_file_path(folder / "relay", remote, ".json")


def read_status(path: Path) -> RemoteStatus | None:
    """Read a status file; None if it is missing or of another version."""
    try:
        return decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def list_remote_statuses(folder: Path) -> list[RemoteStatus]:
    """Return the status of every remote that a folder was ever sent to, by address."""
    found = (read_status(path) for path in sorted((folder / "relay").glob("*.json")))
    return sorted((standing for standing in found if standing), key=lambda standing: standing.remote)
