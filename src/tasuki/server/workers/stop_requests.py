"""Stop requests waiting to be delivered to remote attempts. An in-memory view of the projection."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tasuki.journal import write_stop_file
from tasuki.records import StopCommand
from tasuki.store import ChangeEvent, StopRequestRow

__all__ = ["StopRequests"]

RunKey = tuple[str, str]
"""Project and id."""
AttemptKey = tuple[str, str, str]
"""Project, run's id and attempt."""
STOP_EVENT_PREFIX = '{"type":"stop"'


class StopEvent(msgspec.Struct, frozen=True):
    """Fields of a `stop` event."""

    run: str
    attempt: str
    reason: str | None = None
    by: str | None = None


log = logging.getLogger("tasuki.server")
decode_stop_event = msgspec.json.Decoder(StopEvent).decode


class StopRequests:
    """Stop requests by run and attempt, and the long polls that wait for them. For the event loop only.

    A request is kept until the server stops. That is harmless: it names an attempt, and later attempts have other ids.
    `folder`: the server's data folder; each request is also written there, for runs recorded there without a remote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: dict[RunKey, dict[str, StopCommand]] = {}
        self.waiters: dict[AttemptKey, set[asyncio.Event]] = {}
        self.wakeups: set[asyncio.Event] = set()
        self.is_closed = False

    def add(self, requests: Iterable[StopRequestRow]) -> None:
        """Add requests and wake their waiters.

        The first request for an attempt stands; repeated ones are ignored.
        """
        for word in requests:
            known = self.commands.setdefault((word.project, word.run), {})
            if word.attempt not in known:
                known[word.attempt] = StopCommand(run=word.run, attempt=word.attempt, stop=word.reason or "", by=word.by)
                self.write_stop_file(known[word.attempt])
            for bell in self.waiters.get((word.project, word.run, word.attempt), ()):
                bell.set()

    def write_stop_file(self, command: StopCommand) -> None:
        """Write a command to the data folder; log a warning if that fails."""
        try:
            write_stop_file(self.folder, command)
        except OSError as error:
            log.warning("the request to run %s can't be left in %s: %s", command.run, self.folder, error)

    def handle_event(self, event: ChangeEvent) -> None:
        """Add the request if the event is a stop request."""
        if event.data.startswith(STOP_EVENT_PREFIX):
            told = decode_stop_event(event.data)
            self.add([StopRequestRow(event.project, told.run, told.attempt, told.reason, told.by)])

    def find_for_runs(self, runs: Iterable[RunKey]) -> list[StopCommand]:
        """Return the commands to all attempts of the runs."""
        return [word for run in runs for word in self.commands.get(run, {}).values()]

    def find_for_attempts(self, attempts: Iterable[AttemptKey]) -> dict[AttemptKey, StopCommand]:
        """Return the commands to the attempts; attempts without a command are left out."""
        found = {key: self.commands.get(key[:2], {}).get(key[2]) for key in attempts}
        return {key: word for key, word in found.items() if word is not None}

    async def wait(self, attempts: Collection[AttemptKey], seconds: float) -> dict[AttemptKey, StopCommand]:
        """Return the commands to the attempts. Without any, wait up to `seconds`, or until the server stops."""
        found = self.find_for_attempts(attempts)
        if not found and not self.is_closed:
            with self.subscribe(attempts) as bell, suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await bell.wait()
            found = self.find_for_attempts(attempts)
        return found

    @contextmanager
    def subscribe(self, attempts: Collection[AttemptKey]) -> Iterator[asyncio.Event]:
        """Yield an event that is set when one of the attempts gets a command, or when the server stops."""
        bell = asyncio.Event()
        self.wakeups.add(bell)
        for attempt in attempts:
            self.waiters.setdefault(attempt, set()).add(bell)
        try:
            yield bell
        finally:
            self.wakeups.discard(bell)
            for attempt in attempts:
                self.waiters[attempt].discard(bell)
                if not self.waiters[attempt]:
                    del self.waiters[attempt]

    def close(self) -> None:
        """Wake all waiters, and let later ones return immediately."""
        self.is_closed = True
        for bell in self.wakeups:
            bell.set()
