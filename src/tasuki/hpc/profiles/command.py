"""Any command: all files of the folder are its inputs, its exit code is its outcome."""

from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import Inputs, Outcome, Profile, every_file

__all__ = ["COMMAND"]


def choose(folder: Path) -> Inputs:
    """All of it."""
    return Inputs(every_file(folder), [], [])


def read(texts: Mapping[str, str]) -> Outcome:  # noqa: ARG001 - nothing is known of its outputs
    """Nothing more is known."""
    return Outcome(None)


COMMAND = Profile("command", choose, None, None, ("*",), (), {}, (), read)
