"""The application: all parts, wired, from start to stop."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Litestar, get
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import ASGIApp

from tasuki import __version__
from tasuki.atomic_files import write_once
from tasuki.jobs import Jobs, TaskManager
from tasuki.notify import Deliveries
from tasuki.server.auth.guards import ANY_TOKEN, Gate, authorized, needs
from tasuki.server.auth.middleware import LOOPBACK, SPOKEN, Door
from tasuki.server.auth.tokens import open_tokens
from tasuki.server.http.body_limits import MAX_BODY_BYTES, Window
from tasuki.server.http.problems import problem_response
from tasuki.server.http.schemas import Meta
from tasuki.server.openapi import openapi
from tasuki.server.protocols.trackio import TRACKIO, Streams, Uploads
from tasuki.server.routes.files import FILES
from tasuki.server.routes.jobs import JOBS_API
from tasuki.server.routes.notes import INGEST
from tasuki.server.routes.projects import QUESTIONS
from tasuki.server.routes.providers import PROVIDERS_API
from tasuki.server.routes.query_request import provide_asking
from tasuki.server.routes.remotes import REMOTES, Outgoing
from tasuki.server.routes.run_edits import EDITING
from tasuki.server.routes.series import SERIES
from tasuki.server.routes.session import SESSION
from tasuki.server.routes.static import STATIC
from tasuki.server.routes.stop import STOPPING
from tasuki.server.routes.streams import STREAMS
from tasuki.server.workers.event_hub import Hub, event_stream
from tasuki.server.workers.group_commit import Committer
from tasuki.server.workers.projector_supervisor import Keeper
from tasuki.server.workers.reader_pool import Readers
from tasuki.server.workers.receiver import Receiver, replicate
from tasuki.server.workers.run_ownership import Authority
from tasuki.server.workers.server_journal import OwnJournal
from tasuki.server.workers.stall_detector import Stalls
from tasuki.server.workers.stop_requests import Mailbox
from tasuki.settings import Settings
from tasuki.store import RAW_FILE, RawStore, database_folder

__all__ = ["Parts", "application"]

SERVER_ID_FILE = "server-id"


class Parts:
    """Everything that lives as long as the server does."""

    def __init__(self, settings: Settings, *, loopback: bool = True) -> None:
        folder = database_folder(settings.dir)
        folder.mkdir(parents=True, exist_ok=True)
        settings.dir.mkdir(parents=True, exist_ok=True)
        self.meta = Meta(
            version=__version__, protocols=list(SPOKEN), server_id=server_id(settings.dir), boot_id=secrets.token_hex(8)
        )
        raw = folder / RAW_FILE
        self.tokens = open_tokens(folder)
        self.gate = Gate(self.tokens, f"tasuki-{self.meta.server_id[:8]}", loopback=loopback)
        self.keeper = Keeper(settings, self.moved)
        self.committer = Committer(partial(RawStore, raw), self.keeper.ask)
        self.readers = Readers(settings, self.keeper)
        self.receiver = Receiver(
            self.committer, Authority(self.tokens, self.readers, raw), raw, self.meta.boot_id, Mailbox(settings.dir)
        )
        self.own_journal = OwnJournal(self.receiver, self.readers, self.meta.server_id)
        self.trackio_streams = Streams(self.receiver, self.meta.server_id, settings.dir)
        self.trackio_uploads = Uploads(settings.dir)
        self.brain_requests = Window(600, 60)
        self.outgoing = Outgoing(folder=settings.dir)
        self.watcher = Readers(settings, self.keeper, threads=1)
        self.hub = Hub(self.watcher, self.gate, self.receiver.mailbox, self.meta.boot_id, settings)
        self.jobs = Jobs(settings, changed=self.moved)
        self.tasks = TaskManager(settings, self.jobs)
        self.log_streams: Counter[str] = Counter()
        self.deliveries = Deliveries(settings, projects=False)
        self.stalls = Stalls(self.watcher, self.committer, minutes=settings.stalled_minutes)

    def moved(self) -> None:
        """The projection has moved."""
        self.hub.wake()

    def let_go(self) -> None:
        """End what would hold the stop: event streams, and senders who wait for a word."""
        self.hub.close()
        self.receiver.mailbox.close()

    @asynccontextmanager
    async def running(self, _: Litestar) -> AsyncIterator[None]:
        """From start to stop."""
        self.committer.start()
        await self.hub.look()
        tasks = [asyncio.create_task(part.run()) for part in (self.keeper, self.hub, self.stalls)]
        self.deliveries.start()
        await self.tasks.start()
        try:
            yield
        finally:
            self.let_go()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self.tasks.stop()
            await self.jobs.close()
            await asyncio.to_thread(self.deliveries.stop)
            await self.committer.stop()
            for readers in (self.readers, self.watcher):
                await asyncio.to_thread(readers.close)
            self.tokens.close()


def server_id(folder: Path) -> str:
    """The server's name among servers, made once per data folder."""
    path = folder / SERVER_ID_FILE
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    write_once(path, f"{secrets.token_hex(16)}\n".encode())
    return path.read_text().strip()


def given(value: Any) -> Provide:
    """A part, for those that ask for it by name."""
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)


@get("/api/v1/meta", summary="Who answers", opt=needs(ANY_TOKEN))
async def meta(parts: Parts) -> Meta:
    """Versions, and ids that are the same for one data folder (`server_id`) and from one start to the next (`boot_id`)."""
    return parts.meta


def application(parts: Parts, host: str) -> ASGIApp:
    """The ASGI application around the parts; they start and stop with it. It may be asked for by the host's name."""
    app = Litestar(
        route_handlers=[
            meta,
            openapi,
            *QUESTIONS,
            *FILES,
            *SERIES,
            *STREAMS,
            *SESSION,
            *REMOTES,
            *INGEST,
            *EDITING,
            *STOPPING,
            *TRACKIO,
            replicate,
            event_stream,
            *JOBS_API,
            *PROVIDERS_API,
            *STATIC,
        ],
        guards=[authorized],
        dependencies={
            "parts": given(parts),
            "gate": given(parts.gate),
            "readers": given(parts.readers),
            "receiver": given(parts.receiver),
            "own_journal": given(parts.own_journal),
            "streams": given(parts.trackio_streams),
            "uploads": given(parts.trackio_uploads),
            "brain_requests": given(parts.brain_requests),
            "jobs": given(parts.jobs),
            "hub": given(parts.hub),
            "log_streams": given(parts.log_streams),
            "outgoing": given(parts.outgoing),
            "asking": Provide(provide_asking),
        },
        exception_handlers={Exception: problem_response},
        openapi_config=OpenAPIConfig(title="tasuki", version=__version__, path="/openapi", render_plugins=[]),
        lifespan=[parts.running],
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    app.state.hub = parts.hub
    return Door(app, parts.gate, LOOPBACK | {host})
