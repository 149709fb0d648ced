"""The relay: brings streams of records to a receiver, and knows how far each has come.

What asks servers (`remote`, `probe`, `compare`, `peer`) is imported from there: it needs httpx and numpy, and what sends runs
inside training processes and must not load them.
"""

from tasuki.relay.acks import Ack, FileAcks, acks_path
from tasuki.relay.outgoing import Outgoing
from tasuki.relay.route import Route, State
from tasuki.relay.sender import Round, Sender, Transport
from tasuki.relay.sync import Synced, sync
from tasuki.relay.thread import Relay, Sent
from tasuki.relay.transport import HttpTransport, remote_url

__all__ = [
    "Ack",
    "FileAcks",
    "HttpTransport",
    "Outgoing",
    "Relay",
    "Round",
    "Route",
    "Sender",
    "Sent",
    "State",
    "Synced",
    "Transport",
    "acks_path",
    "remote_url",
    "sync",
]
