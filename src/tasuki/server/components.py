"""Components of a running server, created and closed together."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from litestar import Litestar

from tasuki import __version__
from tasuki.atomic_files import write_once
from tasuki.jobs import Jobs, TaskManager
from tasuki.notify import DeliveryService
from tasuki.server.auth.guards import TokenAuthenticator
from tasuki.server.auth.middleware import SUPPORTED_PROTOCOLS
from tasuki.server.auth.rate_limits import RequestWindow
from tasuki.server.auth.tokens import open_tokens
from tasuki.server.http.schemas import Meta
from tasuki.server.protocols.trackio import ClientStreams, Uploads
from tasuki.server.routes.remotes import RelayFolder
from tasuki.server.workers.event_hub import EventHub
from tasuki.server.workers.group_commit import GroupCommitter
from tasuki.server.workers.projector_supervisor import ProjectorSupervisor
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.server.workers.run_ownership import RunOwnership
from tasuki.server.workers.server_journal import ServerJournal
from tasuki.server.workers.stall_detector import StallDetector
from tasuki.server.workers.stop_requests import StopRequests
from tasuki.settings import Settings
from tasuki.store import RAW_FILE, RawStore, locate_database_folder

__all__ = ["Components", "load_or_create_server_id"]

SERVER_ID_FILE = "server-id"


class Components:
    """All components with the lifetime of the server.

    `loopback`: the server listens on a loopback address, so requests need no token until the first token is created.
    """

    def __init__(self, settings: Settings, *, loopback: bool = True) -> None:
        folder = locate_database_folder(settings.dir)
        folder.mkdir(parents=True, exist_ok=True)
        settings.dir.mkdir(parents=True, exist_ok=True)
        self.meta = Meta(
            version=__version__,
            protocols=list(SUPPORTED_PROTOCOLS),
            server_id=load_or_create_server_id(settings.dir),
            boot_id=secrets.token_hex(8),
        )
        raw = folder / RAW_FILE
        self.tokens = open_tokens(folder)
        self.authenticator = TokenAuthenticator(self.tokens, f"tasuki-{self.meta.server_id[:8]}", loopback=loopback)
        self.projector_supervisor = ProjectorSupervisor(settings, self.wake_hub)
        self.committer = GroupCommitter(partial(RawStore, raw), self.projector_supervisor.request_round)
        self.readers = ReaderPool(settings, self.projector_supervisor)
        self.receiver = StreamReceiver(
            self.committer, RunOwnership(self.tokens, self.readers, raw), raw, self.meta.boot_id, StopRequests(settings.dir)
        )
        self.server_journal = ServerJournal(self.receiver, self.readers, self.meta.server_id)
        self.trackio_streams = ClientStreams(self.receiver, self.meta.server_id, settings.dir)
        self.trackio_uploads = Uploads(settings.dir)
        self.brain_rate_limit = RequestWindow(600, 60)
        self.relay_folder = RelayFolder(folder=settings.dir)
        self.background_readers = ReaderPool(settings, self.projector_supervisor, threads=1)
        self.hub = EventHub(self.background_readers, self.authenticator, self.receiver.stop_requests, self.meta.boot_id, settings)
        self.jobs = Jobs(settings, on_change=self.wake_hub)
        self.task_manager = TaskManager(settings, self.jobs)
        self.log_stream_counts: Counter[str] = Counter()
        self.deliveries = DeliveryService(settings, should_project=False)
        self.stall_detector = StallDetector(self.background_readers, self.committer, minutes=settings.stalled_minutes)

    def wake_hub(self) -> None:
        """Wake the event hub: the projection may have changed."""
        self.hub.wake()

    def release_waiters(self) -> None:
        """End the requests that would delay shutdown: event streams, and long polls for stop requests."""
        self.hub.close()
        self.receiver.stop_requests.close()

    @asynccontextmanager
    async def lifespan(self, _: Litestar) -> AsyncIterator[None]:
        """Start the components, and stop them in reverse order of dependency."""
        self.committer.start()
        await self.hub.publish_new_events()
        tasks = [asyncio.create_task(part.run()) for part in (self.projector_supervisor, self.hub, self.stall_detector)]
        self.deliveries.start()
        await self.task_manager.start()
        try:
            yield
        finally:
            self.release_waiters()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self.task_manager.stop()
            await self.jobs.close()
            await asyncio.to_thread(self.deliveries.stop)
            await self.committer.stop()
            for readers in (self.readers, self.background_readers):
                await asyncio.to_thread(readers.close)
            self.tokens.close()


def load_or_create_server_id(folder: Path) -> str:
    """Return the server id of a data folder; create it on first use."""
    path = folder / SERVER_ID_FILE
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    write_once(path, f"{secrets.token_hex(16)}\n".encode())
    return path.read_text().strip()
