"""Profile of a program: select inputs, read outputs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tasuki.errors import NotFound

__all__ = ["CalculationResult", "InputSelection", "Profile", "StepMetrics", "parse_number", "select_folder_inputs"]


class InputSelection(NamedTuple):
    """Files of a folder to upload. `missing`: skipped with a warning. `problems`: why the job would fail."""

    files: dict[str, Path]
    missing: list[str]
    problems: list[str]


class StepMetrics(NamedTuple):
    """Metrics of a step."""

    step: int
    values: dict[str, float]


class CalculationResult(NamedTuple):
    """Result read from outputs.

    `converged` is None if unknown. `restart`: output files that become inputs of the next attempt.
    """

    converged: bool | None
    reason: str | None = None
    steps: Sequence[StepMetrics] = ()
    summary: Mapping[str, float] = {}
    restart_files: Mapping[str, str] = {}


class Profile(NamedTuple):
    """Facts and pure functions of a program."""

    name: str
    select_inputs: Callable[[Path], InputSelection]
    """Which files of a folder are its inputs."""
    command: str | None
    """What runs, where the user does not say."""
    check_script: str | None
    """Run by the job after its command: prints what is wrong, and fails, if something is."""
    fetch_patterns: tuple[str, ...]
    """What is fetched, where the user does not say."""
    parsed_outputs: tuple[str, ...]
    """Outputs of which `read` wants the texts."""
    restart_files: Mapping[str, str]
    """Outputs from which a next attempt may begin, and as which inputs."""
    growing_outputs: tuple[str, ...]
    """Outputs that grow while it runs, line by line, and of which `read` makes points."""
    parse_outputs: Callable[[Mapping[str, str]], CalculationResult]
    """From the texts of outputs, as far as there are any."""


def parse_number(word: str) -> float | None:
    """Parse a number that a program wrote; None if it is not one, like Fortran's asterisks."""
    try:
        return float(word)
    except ValueError:
        return None


def select_folder_inputs(folder: Path, profile: Profile) -> InputSelection:
    """Select the files of a folder to upload. Raise FileNotFoundError if it is missing."""
    found = folder.expanduser()
    if not found.is_dir():
        raise FileNotFoundError(f"Local job directory not found: {folder}")
    return profile.select_inputs(found)


def list_files(folder: Path) -> dict[str, Path]:
    """Return all files of a folder but tasuki's own."""
    own = {"job.toml", "results"}
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in own
    }


def select_files(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return which of these files exist. Raise NotFound if none does."""
    found = {name: folder / name for name in names if (folder / name).is_file()}
    if not found:
        raise NotFound(f"{folder} has none of {', '.join(names)}")
    return found
