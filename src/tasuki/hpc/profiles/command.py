"""Profile of any command: all files are inputs, the exit code is the outcome."""

from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, every_file

__all__ = ["COMMAND"]


def choose(folder: Path) -> InputSelection:
    """Select every file."""
    return InputSelection(every_file(folder), [], [])


def read(texts: Mapping[str, str]) -> CalculationResult:  # noqa: ARG001 - nothing is known of its outputs
    """Return an empty result."""
    return CalculationResult(None)


COMMAND = Profile("command", choose, None, None, ("*",), (), {}, (), read)
