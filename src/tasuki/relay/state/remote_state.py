"""Per-remote files of a data folder: acknowledgements, dead letters, status."""

from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.relay.state.acks import AckLog, acks_path
from tasuki.relay.state.dead_letters import DeadLetterLog, dead_letters_path
from tasuki.relay.state.remote_status import RemoteStatusFile

__all__ = ["RemoteState", "open_remote_state"]


class RemoteState(NamedTuple):
    """The files of one remote."""

    acks: AckLog
    dead_letters: DeadLetterLog
    status_file: RemoteStatusFile


def open_remote_state(folder: Path, remote: str, *, clock: Clock = SYSTEM_CLOCK) -> RemoteState:
    """Read the files of a remote."""
    acks, aside = AckLog(acks_path(folder, remote)), DeadLetterLog(dead_letters_path(folder, remote))
    return RemoteState(acks, aside, RemoteStatusFile(folder, remote, clock=clock))
