"""`GET /api/v1/remotes`: status of the servers that this folder's own records are sent to."""

import asyncio
from pathlib import Path

import msgspec
from litestar import get

from tasuki.relay import RemoteHealth, list_remote_statuses
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Scope

__all__ = ["REMOTE_ROUTES", "RelayFolder"]


class RelayFolder(msgspec.Struct, frozen=True, kw_only=True):
    """Data folder whose records may be sent to other servers."""

    folder: Path


class RemoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """Status of one remote.

    `backlog`: over 1000 records were pending, and have not dropped below 800 since.
    """

    remote: str
    health: RemoteHealth
    backlog: bool
    pending: int
    last_success: int | None
    last_error: str | None
    last_error_at: int | None


class RemoteList(msgspec.Struct, frozen=True, kw_only=True):
    """Status of all remotes."""

    remotes: list[RemoteRow]


@get("/api/v1/remotes", summary="Where this folder's records go", opt=requires(Scope.ADMIN))
async def remotes(relay_folder: RelayFolder) -> RemoteList:
    """Return the last status that sending processes have stored for each remote.

    `pending` is the number at the last failure or change of backlog.
    """
    found = await asyncio.to_thread(list_remote_statuses, relay_folder.folder)
    return RemoteList(remotes=[msgspec.convert(standing, RemoteRow, from_attributes=True) for standing in found])


REMOTE_ROUTES = [remotes]
