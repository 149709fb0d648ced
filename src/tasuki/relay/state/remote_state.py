"""What a data folder keeps of one remote: how far it has come, what it does not take, how it stands."""

from pathlib import Path
from typing import NamedTuple

from tasuki.clock import SYSTEM, Clock
from tasuki.relay.state.acks import FileAcks, acks_path
from tasuki.relay.state.dead_letters import FileAside, aside_path
from tasuki.relay.state.remote_status import StandingFile

__all__ = ["Kept", "open_kept"]


class Kept(NamedTuple):
    """One remote's files."""

    acks: FileAcks
    aside: FileAside
    standing: StandingFile


def open_kept(folder: Path, remote: str, *, clock: Clock = SYSTEM) -> Kept:
    """The files of a remote, read."""
    acks, aside = FileAcks(acks_path(folder, remote)), FileAside(aside_path(folder, remote))
    return Kept(acks, aside, StandingFile(folder, remote, clock=clock))
