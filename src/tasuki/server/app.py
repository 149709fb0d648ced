"""The application: all parts, wired, from start to stop."""

import asyncio
import secrets
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
from tasuki.server.answers import Meta
from tasuki.server.asking import provide_asking
from tasuki.server.committer import Committer
from tasuki.server.door import LOOPBACK, PROTOCOL, Door
from tasuki.server.events import Hub, event_stream
from tasuki.server.keeper import Keeper
from tasuki.server.limits import MAX_BODY_BYTES
from tasuki.server.openapi import openapi
from tasuki.server.problems import problem_response
from tasuki.server.readers import Readers
from tasuki.server.reading import QUESTIONS
from tasuki.server.replicate import Receiver, replicate
from tasuki.server.series import SERIES
from tasuki.server.static import STATIC
from tasuki.server.streams import STREAMS
from tasuki.settings import Settings
from tasuki.store import RAW_FILE, RawStore, database_folder

__all__ = ["Parts", "application"]

SERVER_ID_FILE = "server-id"


class Parts:
    """Everything that lives as long as the server does."""

    def __init__(self, settings: Settings) -> None:
        folder = database_folder(settings.dir)
        folder.mkdir(parents=True, exist_ok=True)
        settings.dir.mkdir(parents=True, exist_ok=True)
        self.meta = Meta(version=__version__, protocols=[PROTOCOL], server_id=server_id(settings.dir), boot_id=secrets.token_hex(8))
        raw = folder / RAW_FILE
        self.keeper = Keeper(settings, self.moved)
        self.committer = Committer(partial(RawStore, raw), self.keeper.ask)
        self.receiver = Receiver(self.committer, raw, self.meta.boot_id)
        self.readers = Readers(settings, self.keeper)
        self.watcher = Readers(settings, self.keeper, threads=1)
        self.hub = Hub(self.watcher, self.meta.boot_id)

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
        tasks = [asyncio.create_task(self.keeper.run()), asyncio.create_task(self.hub.run())]
        try:
            yield
        finally:
            self.let_go()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self.committer.stop()
            for readers in (self.readers, self.watcher):
                await asyncio.to_thread(readers.close)


def server_id(folder: Path) -> str:
    """The server's name among servers, made once per data folder."""
    path = folder / SERVER_ID_FILE
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    draft = folder / f"{SERVER_ID_FILE}.{secrets.token_hex(4)}"
    draft.write_text(f"{secrets.token_hex(16)}\n")
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
    return path.read_text().strip()


def given(value: Any) -> Provide:
    """A part, for those that ask for it by name."""
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)


@get("/api/v1/meta", summary="Who answers")
async def meta(parts: Parts) -> Meta:
    """Versions, and ids that are the same for one data folder (`server_id`) and from one start to the next (`boot_id`)."""
    return parts.meta


def application(parts: Parts, host: str) -> ASGIApp:
    """The ASGI application around the parts; they start and stop with it. It may be asked for by the host's name."""
    app = Litestar(
        route_handlers=[meta, openapi, *QUESTIONS, *SERIES, *STREAMS, replicate, event_stream, *STATIC],
        dependencies={
            "parts": given(parts),
            "readers": given(parts.readers),
            "receiver": given(parts.receiver),
            "asking": Provide(provide_asking),
        },
        exception_handlers={Exception: problem_response},
        openapi_config=OpenAPIConfig(title="tasuki", version=__version__, path="/openapi", render_plugins=[]),
        lifespan=[parts.running],
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    app.state.hub = parts.hub
    return Door(app, LOOPBACK | {host})
