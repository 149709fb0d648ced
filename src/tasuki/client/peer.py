"""A server as the other side of a comparison: it is asked for positions, and for the sums of what it holds."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec

from tasuki.client.http_query import HttpQuery
from tasuki.client.verify_remote import Held
from tasuki.records import Item, Replicated
from tasuki.relay.http_transport import HttpTransport, Token

__all__ = ["Peer"]

PAGE = 1000


class HeldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as a server lists it."""

    writer: str
    offset: int
    sha256: str | None = None
    damaged: bool = False


class Peer:
    """One server."""

    def __init__(self, remote: str, token: Token = None) -> None:
        self.transport = HttpTransport(remote, token=token)
        self.query = HttpQuery(remote, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.transport.close()
        self.query.close()

    def replicate(self, items: Sequence[Item]) -> Replicated:
        """Ask for positions, or send."""
        return self.transport.replicate(items)

    def held(self, project: str) -> Mapping[str, Held]:
        """What the server holds of a project, by writer, every frame read for its sha256."""
        rows = self.query.rows("streams", "streams", HeldRow, {"project": project, "digest": 1, "limit": PAGE})
        return {row.writer: Held(row.offset, None if row.damaged else row.sha256) for row in rows}
