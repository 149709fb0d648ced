"""Context of a trackio call: the principal, and the server components that calls use."""

from typing import NamedTuple

from tasuki.server.auth.principal import Principal
from tasuki.server.auth.tokens import Tokens
from tasuki.server.protocols.trackio.client_streams import ClientStreams
from tasuki.server.protocols.trackio.uploads import Uploads
from tasuki.server.workers.reader_pool import ReaderPool

__all__ = ["CallContext"]


class CallContext(NamedTuple):
    """Principal and server components of one call."""

    principal: Principal
    streams: ClientStreams
    uploads: Uploads
    readers: ReaderPool
    tokens: Tokens
