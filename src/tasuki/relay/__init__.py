"""The relay: replicates streams of records to a receiver, and records what was acknowledged.

What asks servers (`remote`, `probe`, `compare`, `peer`) is imported from there: it needs httpx and numpy, and what sends runs
inside training processes and must not load them.
"""

from tasuki.relay.backlog import RemoteBacklog, list_backlogs
from tasuki.relay.backoff import Backoff
from tasuki.relay.http_transport import HttpTransport, parse_remote_url
from tasuki.relay.process_source import ProcessSource
from tasuki.relay.relay_thread import RelayThread, SendCounts
from tasuki.relay.resume_lookup import fetch_resumable_run
from tasuki.relay.sender import ReceiverTransport, Sender, SendRound
from tasuki.relay.sql_tables import build_backlog_tables
from tasuki.relay.state.acks import Ack, AckLog, acks_path
from tasuki.relay.state.dead_letters import DeadLetter, DeadLetterLog, dead_letters_path
from tasuki.relay.state.remote_state import RemoteState, open_remote_state
from tasuki.relay.state.remote_status import ERRORS_FILE, RemoteHealth, RemoteStatus, RemoteStatusFile, list_remote_statuses
from tasuki.relay.stop_listener import StopListener
from tasuki.relay.stream_route import RouteState, StreamRoute
from tasuki.relay.sync_once import SyncResult, run_sync

__all__ = [
    "ERRORS_FILE",
    "Ack",
    "AckLog",
    "Backoff",
    "DeadLetter",
    "DeadLetterLog",
    "HttpTransport",
    "ProcessSource",
    "ReceiverTransport",
    "RelayThread",
    "RemoteBacklog",
    "RemoteHealth",
    "RemoteState",
    "RemoteStatus",
    "RemoteStatusFile",
    "RouteState",
    "SendCounts",
    "SendRound",
    "Sender",
    "StopListener",
    "StreamRoute",
    "SyncResult",
    "acks_path",
    "build_backlog_tables",
    "dead_letters_path",
    "fetch_resumable_run",
    "list_backlogs",
    "list_remote_statuses",
    "open_remote_state",
    "parse_remote_url",
    "run_sync",
]
