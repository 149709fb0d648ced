"""trackio's client protocol: unmodified trackio clients can log to this server."""

from tasuki.server.protocols.trackio.client_streams import ClientStreams
from tasuki.server.protocols.trackio.endpoints import TRACKIO_ROUTES
from tasuki.server.protocols.trackio.uploads import Uploads

__all__ = ["TRACKIO_ROUTES", "ClientStreams", "Uploads"]
