"""Stop requests waiting to be delivered to remote runs; a view of the projection."""

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
    """A stop request in an event."""

    run: str
    attempt: str
    reason: str | None = None
    by: str | None = None


log = logging.getLogger("tasuki.server")
decode_stop_event = msgspec.json.Decoder(StopEvent).decode


class StopRequests:
    """Pending stop requests. Use it from the event loop.

    One names an attempt, and is kept while the server runs.

    `folder`: the server's own data folder, where each word is left, too: for runs that are made there and send nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: dict[RunKey, dict[str, StopCommand]] = {}
        self.waiters: dict[AttemptKey, set[asyncio.Event]] = {}
        self.wakeups: set[asyncio.Event] = set()
        self.is_closed = False

    def add(self, requests: Iterable[StopRequestRow]) -> None:
        """Requests, new or known: the first for an attempt stands. Whoever waits for one hears it."""
        for word in requests:
            known = self.commands.setdefault((word.project, word.run), {})
            if word.attempt not in known:
                known[word.attempt] = StopCommand(run=word.run, attempt=word.attempt, stop=word.reason or "", by=word.by)
                self.write_stop_file(known[word.attempt])
            for bell in self.waiters.get((word.project, word.run, word.attempt), ()):
                bell.set()

    def write_stop_file(self, command: StopCommand) -> None:
        """Leave a word in the folder."""
        try:
            write_stop_file(self.folder, command)
        except OSError as error:
            log.warning("the request to run %s can't be left in %s: %s", command.run, self.folder, error)

    def handle_event(self, event: ChangeEvent) -> None:
        """An event of the projection: it may be a request."""
        if event.data.startswith(STOP_EVENT_PREFIX):
            told = decode_stop_event(event.data)
            self.add([StopRequestRow(event.project, told.run, told.attempt, told.reason, told.by)])

    def find_for_runs(self, runs: Iterable[RunKey]) -> list[StopCommand]:
        """Return the stop commands for runs, of any attempt."""
        return [word for run in runs for word in self.commands.get(run, {}).values()]

    def find_for_attempts(self, attempts: Iterable[AttemptKey]) -> dict[AttemptKey, StopCommand]:
        """Return the stop commands for attempts."""
        found = {key: self.commands.get(key[:2], {}).get(key[2]) for key in attempts}
        return {key: word for key, word in found.items() if word is not None}

    async def wait(self, attempts: Collection[AttemptKey], seconds: float) -> dict[AttemptKey, StopCommand]:
        """Return the stop commands for attempts; wait for the first one, up to `seconds` or the server's end."""
        found = self.find_for_attempts(attempts)
        if not found and not self.is_closed:
            with self.subscribe(attempts) as bell, suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await bell.wait()
            found = self.find_for_attempts(attempts)
        return found

    @contextmanager
    def subscribe(self, attempts: Collection[AttemptKey]) -> Iterator[asyncio.Event]:
        """A bell that rings when there is a word for one of the attempts."""
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
        """Let all go who wait."""
        self.is_closed = True
        for bell in self.wakeups:
            bell.set()
