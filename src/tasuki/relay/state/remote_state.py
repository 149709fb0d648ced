"""Per-remote files of a data folder: acknowledgements, dead letters, status."""

from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM, Clock
from tasuki.relay.state.acks import AckLog, acks_path
from tasuki.relay.state.dead_letters import DeadLetterLog, aside_path
from tasuki.relay.state.remote_status import RemoteStatusFile

__all__ = ["RemoteState", "open_kept"]


class RemoteState(NamedTuple):
    """The files of one remote."""

    acks: AckLog
    aside: DeadLetterLog
    standing: RemoteStatusFile


def open_kept(folder: Path, remote: str, *, clock: Clock = SYSTEM) -> RemoteState:
    """Read the files of a remote."""
    acks, aside = AckLog(acks_path(folder, remote)), DeadLetterLog(aside_path(folder, remote))
    return RemoteState(acks, aside, RemoteStatusFile(folder, remote, clock=clock))
