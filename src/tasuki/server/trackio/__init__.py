"""trackio's client protocol: an unchanged trackio logs to this server."""

from tasuki.server.trackio.calls import TRACKIO
from tasuki.server.trackio.streams import Streams
from tasuki.server.trackio.uploads import Uploads

__all__ = ["TRACKIO", "Streams", "Uploads"]
