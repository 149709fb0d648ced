"""`/api/v1/remotes`: how it stands with the servers that this folder's own records are sent to."""

import asyncio
from pathlib import Path

import msgspec
from litestar import get

from tasuki.relay import RemoteHealth, list_remote_statuses
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Scope

__all__ = ["REMOTE_ROUTES", "RelayFolder"]


class RelayFolder(msgspec.Struct, frozen=True, kw_only=True):
    """The data folder whose records may go on to other servers."""

    folder: Path


class RemoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A remote of the folder. `backlog`: more than 1000 records waited, and not fewer than 800 since."""

    remote: str
    health: RemoteHealth
    backlog: bool
    pending: int
    last_success: int | None
    last_error: str | None
    last_error_at: int | None


class RemoteList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    remotes: list[RemoteRow]


@get("/api/v1/remotes", summary="Where this folder's records go", opt=requires(Scope.ADMIN))
async def remotes(relay_folder: RelayFolder) -> RemoteList:
    """List the remotes with the status that sending processes reported last; `pending` as of then."""
    found = await asyncio.to_thread(list_remote_statuses, relay_folder.folder)
    return RemoteList(remotes=[msgspec.convert(standing, RemoteRow, from_attributes=True) for standing in found])


REMOTE_ROUTES = [remotes]
