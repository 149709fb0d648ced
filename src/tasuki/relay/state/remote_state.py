"""What a data folder keeps of one remote: how far it has come, what it does not take, how it stands."""

from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM, Clock
from tasuki.relay.state.acks import AckLog, acks_path
from tasuki.relay.state.dead_letters import DeadLetterLog, aside_path
from tasuki.relay.state.remote_status import RemoteStatusFile

__all__ = ["RemoteState", "open_kept"]


class RemoteState(NamedTuple):
    """One remote's files."""

    acks: AckLog
    aside: DeadLetterLog
    standing: RemoteStatusFile


def open_kept(folder: Path, remote: str, *, clock: Clock = SYSTEM) -> RemoteState:
    """The files of a remote, read."""
    acks, aside = AckLog(acks_path(folder, remote)), DeadLetterLog(aside_path(folder, remote))
    return RemoteState(acks, aside, RemoteStatusFile(folder, remote, clock=clock))
