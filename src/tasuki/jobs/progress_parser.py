"""Parse progress from logs: stage, last line, and percentage from a job's latest lines."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

__all__ = ["MAX_LINE_CHARACTERS", "WINDOW_LINES", "ParsedProgress", "Stage", "parse_progress", "split_plain_lines"]

T = TypeVar("T")
WINDOW_LINES = 50
MAX_LINE_CHARACTERS = 80
ESCAPE_PATTERN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colors, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and links
    r"|\x1b[ -/]*[0-~]?"  # whatever else begins like one
)
CONTROL_PATTERN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
NUMBER_REGEX = r"(\d{1,3}(?:,\d{3})+|\d+)"
BAR_REGEX = r"(?:\d{1,3}(?:\.\d+)?\s?%\s*\|[^|]*\|\s*)?"
"""What tqdm puts between its label and its numbers."""
N_OF_M_REGEX = rf"s?\b\s*[:=]?\s*[\[(]?\s*{BAR_REGEX}{NUMBER_REGEX}\s*(?:/|\bof\b)\s*{NUMBER_REGEX}(?![\d/.,]*\d)"
STEP_PATTERN, EPOCH_PATTERN = (
    re.compile(rf"\bstep{N_OF_M_REGEX}", re.IGNORECASE),
    re.compile(rf"\bepoch{N_OF_M_REGEX}", re.IGNORECASE),
)
NUMBERED_STEP_PATTERN = re.compile(r"\b(?:step|epoch)s?\b\s*[:=#]?\s*[\[(]?\s*\d+\b(?!\s*[/\d]|\s+of\b)", re.IGNORECASE)
STEP_WORD_PATTERN = re.compile(r"\b(?:step|epoch)s?\b(?!\s*[:=#]?\s*[\[(]?\s*\d)", re.IGNORECASE)


class Stage(StrEnum):
    """Stage of a job."""

    PREPROCESSING = "Preprocessing"
    WARMUP = "Warmup"
    TRAINING = "Training"
    VALIDATION = "Validation"
    SAVING = "Saving checkpoint"


STAGE_PATTERNS: tuple[tuple[Stage, re.Pattern[str]], ...] = (
    (Stage.SAVING, re.compile(r"\bcheckpoints?\b", re.IGNORECASE)),
    (Stage.VALIDATION, re.compile(r"\bvalidat", re.IGNORECASE)),
    (Stage.WARMUP, re.compile(r"\b(?:warming up|warmup)\b", re.IGNORECASE)),
    (Stage.PREPROCESSING, re.compile(r"\b(?:preprocessing|loading)\b", re.IGNORECASE)),
    (Stage.TRAINING, STEP_WORD_PATTERN),
)
"""Of a line without a numeric step or epoch, the first that matches counts."""


class ParsedProgress(NamedTuple):
    """Progress found in the latest lines; None for what they do not mention."""

    stage: Stage | None = None
    last_log: str | None = None
    progress: float | None = None


def split_plain_lines(text: str) -> list[str]:
    """Return the lines as a terminal finally shows them.

    No escape codes, and a progress bar's latest state.
    """
    shown = ESCAPE_PATTERN.sub("", text)
    found = []
    for line in shown.split("\n"):
        states = [CONTROL_PATTERN.sub("", state).strip() for state in line.split("\r")]
        latest = next((state for state in reversed(states) if state), "")
        if latest:
            found.append(latest)
    return found


def parse_progress(text: str) -> ParsedProgress:
    """Parse stage, last line, and progress, each from the newest line that has it; steps outrank epochs."""
    window = split_plain_lines(text)[-WINDOW_LINES:]
    if not window:
        return ParsedProgress()
    progress = find_newest(window, build_percent_parser(STEP_PATTERN))
    if progress is None:
        progress = find_newest(window, build_percent_parser(EPOCH_PATTERN))
    return ParsedProgress(find_newest(window, parse_stage), truncate(window[-1]), progress)


def find_newest(lines: Sequence[str], parse_line: Callable[[str], T | None]) -> T | None:
    """Return the value of the newest line for which `read` returns one."""
    return next((said for line in reversed(lines) if (said := parse_line(line)) is not None), None)


def build_percent_parser(pattern: re.Pattern[str]) -> Callable[[str], float | None]:
    """Build a function that reads the last `N/M` of a line as a percentage."""

    def parse_percent(line: str) -> float | None:
        found = [(parse_number(done), parse_number(total)) for done, total in pattern.findall(line)]
        shares = [100 * done / total for done, total in found if total]
        return round(min(100.0, shares[-1]), 1) if shares else None

    return parse_percent


def parse_number(text: str) -> int:
    """Parse a number that may have thousands separators."""
    return int(text.replace(",", "")[:300])


def parse_stage(line: str) -> Stage | None:
    """Return the stage that a line mentions."""
    if NUMBERED_STEP_PATTERN.search(line) or any(
        build_percent_parser(pattern)(line) is not None for pattern in (STEP_PATTERN, EPOCH_PATTERN)
    ):
        return Stage.TRAINING
    return next((stage for stage, pattern in STAGE_PATTERNS if pattern.search(line)), None)


def truncate(line: str) -> str:
    """Cut a line to 80 characters."""
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[: MAX_LINE_CHARACTERS - 3]}..."
