"""Profile of any command: all files are inputs, the exit code is the outcome."""

from collections.abc import Mapping
from pathlib import Path

from tasuki.hpc.profiles.profile import CalculationResult, InputSelection, Profile, list_files

__all__ = ["COMMAND"]


def select_inputs(folder: Path) -> InputSelection:
    """Select every file."""
    return InputSelection(list_files(folder), [], [])


def parse_outputs(texts: Mapping[str, str]) -> CalculationResult:  # noqa: ARG001 - nothing is known of its outputs
    """Return an empty result."""
    return CalculationResult(None)


COMMAND = Profile("command", select_inputs, None, None, ("*",), (), {}, (), parse_outputs)
