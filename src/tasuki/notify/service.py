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

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import Conflict, LocksUnsupported, RemoteError
from tasuki.file_locks import try_file_lock
from tasuki.journal import Source
from tasuki.notify.delivery_log import DeliveryLog
from tasuki.notify.message import build_test_message
from tasuki.notify.senders import build_sender
from tasuki.notify.target_worker import RateLimit, TargetWorker
from tasuki.settings import Settings
from tasuki.store import AlertBatch, LocalStore, Queries, alerts_since, count_missing, generation_number, open_folder_store

__all__ = ["DeliveryService", "TestResult", "is_delivering", "send_test"]

FOLDER = "notify"
LOCK_FILE = "lock"
POLL_SECONDS = 0.5
STOP_TIMEOUT_SECONDS = 1.0
RETRY_SECONDS = 10.0
log = logging.getLogger("tasuki.notify")


class TestResult(NamedTuple):
    """Result of a test message: `said` is empty if it was delivered."""

    target: str
    project: str | None
    level: str
    error: str


class DeliveryService:
    """The workers of one folder. Raise ConfigError for a target that no sender supports.

    `projects`: whether the look for alerts projects what is recorded; beside a server that is its projector's work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        should_project: bool,
        link: str | None = None,
        build_rate_limit: Callable[[], RateLimit] = RateLimit,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings
        self.should_project = should_project
        self.link = settings.public_url or link
        self.build_rate_limit = build_rate_limit
        self.clock = clock
        self.folder = settings.dir / FOLDER
        self.senders = [(target, build_sender(target)) for target in settings.notify]
        self.workers: list[TargetWorker] = []
        self.stop_event = threading.Event()
        self.threads: list[threading.Thread] = []
        self.generation = self.last_alert = 0

    # -- whoever owns it

    def start(self) -> None:
        """Deliver in background threads, once no other process does."""
        if self.senders:
            self.start_thread(self.deliver_when_free, "tasuki-notify")

    def stop(self) -> None:
        """Stop soon. Undelivered alerts are delivered after the next start."""
        self.stop_event.set()
        for courier in self.workers:
            courier.wake_event.set()
        deadline = self.clock.monotonic() + STOP_TIMEOUT_SECONDS
        for thread in self.threads:
            thread.join(max(0.0, deadline - self.clock.monotonic()))

    def deliver_until_stopped(self) -> None:
        """Deliver until `stop`, in this thread.

        Raise Conflict if another process delivers this folder's alerts.
        """
        with hold_delivery_lock(self.folder):
            self.start_workers()
            while not self.stop_event.is_set():
                try:
                    self.poll_until_stopped()
                except Exception:  # the top of the thread: said, and tried again
                    log.error("looking for alerts failed", exc_info=True)
                    self.stop_event.wait(RETRY_SECONDS)

    # -- in threads

    def deliver_when_free(self) -> None:
        """Deliver as soon as no other process does."""
        while not self.stop_event.is_set():
            try:
                self.deliver_until_stopped()
            except (Conflict, LocksUnsupported, OSError) as error:
                log.warning("alerts are not delivered from here: %s", error)
                self.stop_event.wait(RETRY_SECONDS)

    def start_workers(self) -> None:
        """Start a worker for each target in a thread of its own: one that hangs holds up no other."""
        self.workers = [
            TargetWorker(
                target,
                DeliveryLog(self.folder / target.key),
                post,
                link=self.link,
                rate_limit=self.build_rate_limit(),
                clock=self.clock,
            )
            for target, post in self.senders
        ]
        for courier in self.workers:
            self.start_thread(partial(courier.run, self.stop_event.is_set), f"tasuki-notify-{courier.target.key}")

    def start_thread(self, action: Callable[[], None], name: str) -> None:
        """Start a thread that does not keep the process alive."""
        self.threads.append(threading.Thread(target=action, name=name, daemon=True))
        self.threads[-1].start()

    def poll_until_stopped(self) -> None:
        """Poll for alerts until stopped."""
        with (
            open_folder_store(self.settings)
            if self.should_project
            else LocalStore(self.settings, ensure_caught_up=self.count_missing_records) as store
        ):
            while not self.stop_event.is_set():
                self.poll_alerts(store)
                self.stop_event.wait(POLL_SECONDS)

    def poll_alerts(self, store: LocalStore) -> None:
        """Hand new alerts to the workers.

        The first pass must see every existing alert, since those are not delivered.
        """

        def query(queries: Queries) -> tuple[AlertBatch, int, bool]:
            generation = generation_number(store.path)
            anew = generation != self.generation or any(courier.needs_all_alerts() for courier in self.workers)
            return alerts_since(queries.db, 0 if anew else self.last_alert), generation, anew

        found, generation, all_there_are = store.run_query(query)
        if not self.generation and store.missing:
            return
        if found.rows or all_there_are:
            for courier in self.workers:
                courier.enqueue_new(found.rows, is_complete=all_there_are)
        self.generation, self.last_alert = generation, found.last

    def count_missing_records(self, db: apsw.Connection, source: Source) -> int:
        """Return the number of records not projected yet; only the first pass needs it."""
        return 0 if self.generation else count_missing(db, source)


@contextmanager
def hold_delivery_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder's delivery. Raise Conflict if another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = try_file_lock(folder / LOCK_FILE)
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
        with hold_delivery_lock(settings.dir / FOLDER):
            return False
    except Conflict:
        return True


def send_test(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> list[TestResult]:
    """Send each target a test message."""
    message = build_test_message(clock.now_us(), settings.public_url)
    found = []
    for target in settings.notify:
        said = ""
        try:
            build_sender(target)(message)
        except RemoteError as error:
            said = error.message
        found.append(TestResult(target.name, target.project, target.level, said))
    return found
