"""Parse progress from logs: stage, last line, and percentage from a job's latest lines."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

__all__ = ["LONGEST_LINE", "WINDOW_LINES", "ParsedProgress", "Stage", "parse_progress", "plain_lines"]

T = TypeVar("T")
WINDOW_LINES = 50
LONGEST_LINE = 80
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colors, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and links
    r"|\x1b[ -/]*[0-~]?"  # whatever else begins like one
)
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
NUMBER = r"(\d{1,3}(?:,\d{3})+|\d+)"
BAR = r"(?:\d{1,3}(?:\.\d+)?\s?%\s*\|[^|]*\|\s*)?"
"""What tqdm puts between its label and its numbers."""
OF = rf"s?\b\s*[:=]?\s*[\[(]?\s*{BAR}{NUMBER}\s*(?:/|\bof\b)\s*{NUMBER}(?![\d/.,]*\d)"
STEP_OF, EPOCH_OF = re.compile(rf"\bstep{OF}", re.IGNORECASE), re.compile(rf"\bepoch{OF}", re.IGNORECASE)
NUMBERED = re.compile(r"\b(?:step|epoch)s?\b\s*[:=#]?\s*[\[(]?\s*\d+\b(?!\s*[/\d]|\s+of\b)", re.IGNORECASE)
MENTIONED = re.compile(r"\b(?:step|epoch)s?\b(?!\s*[:=#]?\s*[\[(]?\s*\d)", re.IGNORECASE)


class Stage(StrEnum):
    """Stage of a job."""

    PREPROCESSING = "Preprocessing"
    WARMUP = "Warmup"
    TRAINING = "Training"
    VALIDATION = "Validation"
    SAVING = "Saving checkpoint"


WORDS: tuple[tuple[Stage, re.Pattern[str]], ...] = (
    (Stage.SAVING, re.compile(r"\bcheckpoints?\b", re.IGNORECASE)),
    (Stage.VALIDATION, re.compile(r"\bvalidat", re.IGNORECASE)),
    (Stage.WARMUP, re.compile(r"\b(?:warming up|warmup)\b", re.IGNORECASE)),
    (Stage.PREPROCESSING, re.compile(r"\b(?:preprocessing|loading)\b", re.IGNORECASE)),
    (Stage.TRAINING, MENTIONED),
)
"""Of a line without a numeric step or epoch, the first that matches counts."""


class ParsedProgress(NamedTuple):
    """Progress found in the latest lines; None for what they do not mention."""

    stage: Stage | None = None
    last_log: str | None = None
    progress: float | None = None


def plain_lines(text: str) -> list[str]:
    """Return the lines as a terminal finally shows them.

    No escape codes, and a progress bar's latest state.
    """
    shown = ESCAPES.sub("", text)
    found = []
    for line in shown.split("\n"):
        states = [CONTROLS.sub("", state).strip() for state in line.split("\r")]
        latest = next((state for state in reversed(states) if state), "")
        if latest:
            found.append(latest)
    return found


def parse_progress(text: str) -> ParsedProgress:
    """Parse stage, last line, and progress, each from the newest line that has it; steps outrank epochs."""
    window = plain_lines(text)[-WINDOW_LINES:]
    if not window:
        return ParsedProgress()
    progress = newest(window, share_of(STEP_OF))
    if progress is None:
        progress = newest(window, share_of(EPOCH_OF))
    return ParsedProgress(newest(window, stage_of), cut(window[-1]), progress)


def newest(lines: Sequence[str], read: Callable[[str], T | None]) -> T | None:
    """Return the value of the newest line for which `read` returns one."""
    return next((said for line in reversed(lines) if (said := read(line)) is not None), None)


def share_of(pattern: re.Pattern[str]) -> Callable[[str], float | None]:
    """Build a function that reads the last `N/M` of a line as a percentage."""

    def read(line: str) -> float | None:
        found = [(number(done), number(total)) for done, total in pattern.findall(line)]
        shares = [100 * done / total for done, total in found if total]
        return round(min(100.0, shares[-1]), 1) if shares else None

    return read


def number(text: str) -> int:
    """Parse a number that may have thousands separators."""
    return int(text.replace(",", "")[:300])


def stage_of(line: str) -> Stage | None:
    """Return the stage that a line mentions."""
    if NUMBERED.search(line) or any(share_of(pattern)(line) is not None for pattern in (STEP_OF, EPOCH_OF)):
        return Stage.TRAINING
    return next((stage for stage, pattern in WORDS if pattern.search(line)), None)


def cut(line: str) -> str:
    """Cut a line to 80 characters."""
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."
