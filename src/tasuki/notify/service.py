"""Deliver a folder's alerts.

One process per folder reads new ones, and a worker per target sends them.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import apsw

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import Conflict, LocksUnsupported, RemoteError
from tasuki.file_locks import try_file_lock
from tasuki.journal import Source
from tasuki.notify.delivery_log import DeliveryLog
from tasuki.notify.message import message_of_test
from tasuki.notify.senders import post_to
from tasuki.notify.target_worker import RateLimit, TargetWorker
from tasuki.settings import Settings
from tasuki.store import AlertBatch, LocalStore, Queries, alerts_told, count_missing, generation_number, open_local

__all__ = ["DeliveryService", "TestResult", "is_delivering", "send_test"]

FOLDER = "notify"
LOCK = "lock"
LOOK_SECONDS = 0.5
STOP_SECONDS = 1.0
TROUBLE_SECONDS = 10.0
log = logging.getLogger("tasuki.notify")


class TestResult(NamedTuple):
    """Result of a test message: `said` is empty if it was delivered."""

    target: str
    project: str | None
    level: str
    said: str


class DeliveryService:
    """The workers of one folder. Raise ConfigError for a target that no sender supports.

    `projects`: whether the look for alerts projects what is recorded; beside a server that is its projector's work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        projects: bool,
        link: str | None = None,
        pace: Callable[[], RateLimit] = RateLimit,
        clock: Clock = SYSTEM,
    ) -> None:
        self.settings = settings
        self.projects = projects
        self.link = settings.public_url or link
        self.pace = pace
        self.clock = clock
        self.folder = settings.dir / FOLDER
        self.posts = [(target, post_to(target)) for target in settings.notify]
        self.couriers: list[TargetWorker] = []
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self.generation = self.told = 0

    # -- whoever owns it

    def start(self) -> None:
        """Deliver in background threads, once no other process does."""
        if self.posts:
            self.begin_thread(self.run, "tasuki-notify")

    def stop(self) -> None:
        """Stop soon. Undelivered alerts are delivered after the next start."""
        self.stopping.set()
        for courier in self.couriers:
            courier.news.set()
        deadline = self.clock.monotonic() + STOP_SECONDS
        for thread in self.threads:
            thread.join(max(0.0, deadline - self.clock.monotonic()))

    def watch(self) -> None:
        """Deliver until `stop`, in this thread.

        Raise Conflict if another process delivers this folder's alerts.
        """
        with alone(self.folder):
            self.send_out()
            while not self.stopping.is_set():
                try:
                    self.look_until_stopped()
                except Exception:  # the top of the thread: said, and tried again
                    log.error("looking for alerts failed", exc_info=True)
                    self.stopping.wait(TROUBLE_SECONDS)

    # -- in threads

    def run(self) -> None:
        """Deliver as soon as no other process does."""
        while not self.stopping.is_set():
            try:
                self.watch()
            except (Conflict, LocksUnsupported, OSError) as error:
                log.warning("alerts are not delivered from here: %s", error)
                self.stopping.wait(TROUBLE_SECONDS)

    def send_out(self) -> None:
        """Start a worker for each target in a thread of its own: one that hangs holds up no other."""
        self.couriers = [
            TargetWorker(target, DeliveryLog(self.folder / target.key), post, link=self.link, pace=self.pace(), clock=self.clock)
            for target, post in self.posts
        ]
        for courier in self.couriers:
            self.begin_thread(partial(courier.run, self.stopping.is_set), f"tasuki-notify-{courier.target.key}")

    def begin_thread(self, action: Callable[[], None], name: str) -> None:
        """Start a thread that does not keep the process alive."""
        self.threads.append(threading.Thread(target=action, name=name, daemon=True))
        self.threads[-1].start()

    def look_until_stopped(self) -> None:
        """Poll for alerts until stopped."""
        with open_local(self.settings) if self.projects else LocalStore(self.settings, arrive=self.missing) as store:
            while not self.stopping.is_set():
                self.look(store)
                self.stopping.wait(LOOK_SECONDS)

    def look(self, store: LocalStore) -> None:
        """Hand new alerts to the workers.

        The first pass must see every existing alert, since those are not delivered.
        """

        def query(queries: Queries) -> tuple[AlertBatch, int, bool]:
            generation = generation_number(store.path)
            anew = generation != self.generation or any(courier.wants_all() for courier in self.couriers)
            return alerts_told(queries.db, 0 if anew else self.told), generation, anew

        found, generation, all_there_are = store.ask(query)
        if not self.generation and store.missing:
            return
        if found.rows or all_there_are:
            for courier in self.couriers:
                courier.offer(found.rows, all_there_are=all_there_are)
        self.generation, self.told = generation, found.last

    def missing(self, db: apsw.Connection, source: Source) -> int:
        """Return the number of records not projected yet; only the first pass needs it."""
        return 0 if self.generation else count_missing(db, source)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder's delivery. Raise Conflict if another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = try_file_lock(folder / LOCK)
    if descriptor is None:
        raise Conflict(
            f"another process delivers the alerts of {folder.parent} already",
            hint="a server does it for its own folder: one is enough",
        )
    try:
        yield
    finally:
        os.close(descriptor)


def is_delivering(settings: Settings) -> bool:
    """Return whether some process delivers a folder's alerts now.

    Raise LocksUnsupported where the file system has no locks: the lock is the only sign of it.
    """
    try:
        with alone(settings.dir / FOLDER):
            return False
    except Conflict:
        return True


def send_test(settings: Settings, clock: Clock = SYSTEM) -> list[TestResult]:
    """Send each target a test message."""
    message = message_of_test(clock.now_us(), settings.public_url)
    found = []
    for target in settings.notify:
        said = ""
        try:
            post_to(target)(message)
        except RemoteError as error:
            said = error.message
        found.append(TestResult(target.name, target.project, target.level, said))
    return found
