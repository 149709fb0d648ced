"""The relay: brings streams of records to a receiver, and knows how far each has come.

What asks servers (`remote`, `probe`, `compare`, `peer`) is imported from there: it needs httpx and numpy, and what sends runs
inside training processes and must not load them.
"""

from tasuki.relay.acks import Ack, FileAcks, acks_path
from tasuki.relay.aside import Aside, FileAside, aside_path
from tasuki.relay.control import Listener
from tasuki.relay.kept import Kept, open_kept
from tasuki.relay.known import known_run
from tasuki.relay.outgoing import Outgoing
from tasuki.relay.patience import Health, Patience
from tasuki.relay.queue import Queue, queues
from tasuki.relay.route import Route, State
from tasuki.relay.sender import Round, Sender, Transport
from tasuki.relay.standing import ERRORS_FILE, Standing, StandingFile, standings
from tasuki.relay.sync import Synced, sync
from tasuki.relay.thread import Relay, Sent
from tasuki.relay.transport import HttpTransport, remote_url
from tasuki.relay.views import queue_views

__all__ = [
    "ERRORS_FILE",
    "Ack",
    "Aside",
    "FileAcks",
    "FileAside",
    "Health",
    "HttpTransport",
    "Kept",
    "Listener",
    "Outgoing",
    "Patience",
    "Queue",
    "Relay",
    "Round",
    "Route",
    "Sender",
    "Sent",
    "Standing",
    "StandingFile",
    "State",
    "Synced",
    "Transport",
    "acks_path",
    "aside_path",
    "known_run",
    "open_kept",
    "queue_views",
    "queues",
    "remote_url",
    "standings",
    "sync",
]
