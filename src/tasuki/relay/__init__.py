"""The relay: brings streams of records to a receiver, and knows how far each has come.

What asks servers (`remote`, `probe`, `compare`, `peer`) is imported from there: it needs httpx and numpy, and what sends runs
inside training processes and must not load them.
"""

from tasuki.relay.backlog import Queue, queues
from tasuki.relay.backoff import Patience
from tasuki.relay.http_transport import HttpTransport, remote_url
from tasuki.relay.process_source import Outgoing
from tasuki.relay.relay_thread import Relay, Sent
from tasuki.relay.resume_lookup import known_run
from tasuki.relay.sender import Round, Sender, Transport
from tasuki.relay.sql_tables import queue_views
from tasuki.relay.state.acks import Ack, FileAcks, acks_path
from tasuki.relay.state.dead_letters import Aside, FileAside, aside_path
from tasuki.relay.state.remote_state import Kept, open_kept
from tasuki.relay.state.remote_status import ERRORS_FILE, Health, Standing, StandingFile, standings
from tasuki.relay.stop_listener import Listener
from tasuki.relay.stream_route import Route, State
from tasuki.relay.sync_once import Synced, sync

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
