"""Words for the attempts that processes elsewhere make: requests to stop. What is in here is a view of the projection."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tasuki.journal import write_control
from tasuki.records import StopCommand
from tasuki.store import ChangeEvent, StopRequestRow

__all__ = ["StopRequests"]

Run = tuple[str, str]
"""Project and id."""
Attempt = tuple[str, str, str]
"""Project, run's id and attempt."""
STOP_EVENT = '{"type":"stop"'


class StopEvent(msgspec.Struct, frozen=True):
    """What an event says of a request to stop."""

    run: str
    attempt: str
    reason: str | None = None
    by: str | None = None


log = logging.getLogger("tasuki.server")
decode = msgspec.json.Decoder(StopEvent).decode


class StopRequests:
    """To be used from the event loop. A word is kept as long as the server runs: it names an attempt, and no later one hears it.

    `folder`: the server's own data folder, where each word is left, too: for runs that are made there and send nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words: dict[Run, dict[str, StopCommand]] = {}
        self.waiting: dict[Attempt, set[asyncio.Event]] = {}
        self.bells: set[asyncio.Event] = set()
        self.closed = False

    def put(self, words: Iterable[StopRequestRow]) -> None:
        """Requests, new or known: the first for an attempt stands. Whoever waits for one hears it."""
        for word in words:
            known = self.words.setdefault((word.project, word.run), {})
            if word.attempt not in known:
                known[word.attempt] = StopCommand(run=word.run, attempt=word.attempt, stop=word.reason or "", by=word.by)
                self.leave(known[word.attempt])
            for bell in self.waiting.get((word.project, word.run, word.attempt), ()):
                bell.set()

    def leave(self, word: StopCommand) -> None:
        """Leave a word in the folder."""
        try:
            write_control(self.folder, word)
        except OSError as error:
            log.warning("the request to run %s can't be left in %s: %s", word.run, self.folder, error)

    def hear(self, event: ChangeEvent) -> None:
        """An event of the projection: it may be a request."""
        if event.data.startswith(STOP_EVENT):
            told = decode(event.data)
            self.put([StopRequestRow(event.project, told.run, told.attempt, told.reason, told.by)])

    def about(self, runs: Iterable[Run]) -> list[StopCommand]:
        """What is wanted of some runs, whichever attempt it is wanted of."""
        return [word for run in runs for word in self.words.get(run, {}).values()]

    def known(self, attempts: Iterable[Attempt]) -> dict[Attempt, StopCommand]:
        """What is wanted of some attempts."""
        found = {key: self.words.get(key[:2], {}).get(key[2]) for key in attempts}
        return {key: word for key, word in found.items() if word is not None}

    async def wait(self, attempts: Collection[Attempt], seconds: float) -> dict[Attempt, StopCommand]:
        """What is wanted of some attempts; if nothing is, what comes within the time, or before the server stops."""
        found = self.known(attempts)
        if not found and not self.closed:
            with self.listening(attempts) as bell, suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await bell.wait()
            found = self.known(attempts)
        return found

    @contextmanager
    def listening(self, attempts: Collection[Attempt]) -> Iterator[asyncio.Event]:
        """A bell that rings when there is a word for one of the attempts."""
        bell = asyncio.Event()
        self.bells.add(bell)
        for attempt in attempts:
            self.waiting.setdefault(attempt, set()).add(bell)
        try:
            yield bell
        finally:
            self.bells.discard(bell)
            for attempt in attempts:
                self.waiting[attempt].discard(bell)
                if not self.waiting[attempt]:
                    del self.waiting[attempt]

    def close(self) -> None:
        """Let all go who wait."""
        self.closed = True
        for bell in self.bells:
            bell.set()
