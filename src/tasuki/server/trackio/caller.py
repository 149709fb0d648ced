"""Who calls, and what a call may need of the server."""

from typing import NamedTuple

from tasuki.server.readers import Readers
from tasuki.server.tokens import Principal, Tokens
from tasuki.server.trackio.streams import Streams
from tasuki.server.trackio.uploads import Uploads

__all__ = ["Caller"]


class Caller(NamedTuple):
    """One call's surroundings."""

    principal: Principal
    streams: Streams
    uploads: Uploads
    readers: Readers
    tokens: Tokens
