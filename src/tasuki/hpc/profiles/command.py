"""Any command: all files of the folder are its inputs, its exit code is its outcome."""

from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, every_file

__all__ = ["COMMAND"]


def choose(folder: Path) -> InputSelection:
    """All of it."""
    return InputSelection(every_file(folder), [], [])


def read(texts: Mapping[str, str]) -> CalculationResult:  # noqa: ARG001 - nothing is known of its outputs
    """Nothing more is known."""
    return CalculationResult(None)


COMMAND = Profile("command", choose, None, None, ("*",), (), {}, (), read)
