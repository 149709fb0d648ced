"""Who calls, and what a call may need of the server."""

from typing import NamedTuple

from tasuki.server.auth.principal import Principal
from tasuki.server.auth.tokens import Tokens
from tasuki.server.protocols.trackio.client_streams import Streams
from tasuki.server.protocols.trackio.uploads import Uploads
from tasuki.server.workers.reader_pool import Readers

__all__ = ["Caller"]


class Caller(NamedTuple):
    """One call's surroundings."""

    principal: Principal
    streams: Streams
    uploads: Uploads
    readers: Readers
    tokens: Tokens
