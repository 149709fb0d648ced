"""What a server has to say to the processes that send to it: an idle relay listens for it, on a connection of its own.

It blocks nobody: the request is sent, and the answer read once its beginning is there.
"""

import http.client
import logging
import re
import select
from pathlib import Path

import msgspec

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import RemoteError
from tasuki.files import replace_file
from tasuki.records import Control, Replicate
from tasuki.relay.patience import Patience
from tasuki.relay.transport import HttpTransport, Token

__all__ = ["Listener", "control_path", "write_control"]

WAIT_SECONDS = 25.0
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 60.0
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
log = logging.getLogger("tasuki.relay")


class Listener:
    """One long poll after the other, looked at by the relay between its rounds."""

    def __init__(self, remote: str, folder: Path, key: Token = None, *, clock: Clock = SYSTEM) -> None:
        self.folder = folder
        self.transport = HttpTransport(remote, token=key, timeout_seconds=CONNECT_SECONDS, clock=clock)
        self.clock = clock
        self.patience = Patience()
        self.asked_at: float | None = None
        self.next_at = clock.monotonic()

    def look(self) -> None:
        """Ask if nothing is asked; take in the answer if it is there."""
        try:
            if self.asked_at is None:
                if self.clock.monotonic() >= self.next_at:
                    self.ask()
            elif self.has_answered():
                self.hear()
            elif self.clock.monotonic() > self.asked_at + SILENT_SECONDS:
                raise TimeoutError("no answer")
        except (OSError, http.client.HTTPException, RemoteError) as error:
            self.stop()
            self.next_at = self.clock.monotonic() + max(self.patience.failed(error), 1.0)

    def ask(self) -> None:
        """Begin to listen."""
        self.transport.ask(msgspec.msgpack.encode(Replicate(wait_s=WAIT_SECONDS)))
        self.asked_at = self.clock.monotonic()

    def has_answered(self) -> bool:
        """Whether the answer begins."""
        poll = select.poll()
        poll.register(self.transport.connected().sock, select.POLLIN)
        return bool(poll.poll(0))

    def hear(self) -> None:
        """The answer."""
        answer = self.transport.answer(self.transport.heard(), set())
        self.asked_at = None
        self.next_at = self.clock.monotonic() + answer.next_after_ms / 1000
        self.patience.succeeded()
        for control in answer.control:
            write_control(self.folder, control)

    def stop(self) -> None:
        """Listen no more."""
        self.asked_at = None
        self.transport.close()


def control_path(folder: Path, run: str, attempt: str) -> Path:
    """Where a request to an attempt at a run lies in a data folder."""
    return folder / "control" / f"{run}.{attempt}"


def write_control(folder: Path, control: Control) -> None:
    """Leave a request where the process that makes the run looks for it. What can be no name of a run is passed over."""
    if not NAME.fullmatch(control.run) or not NAME.fullmatch(control.attempt):
        log.warning("a control message names no run: %r", control.run)
        return
    replace_file(control_path(folder, control.run, control.attempt), msgspec.json.encode(control))
