"""Progress from logs: what the latest lines of a job say of its stage and of how far it has come."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

__all__ = ["LONGEST_LINE", "WINDOW_LINES", "ParsedProgress", "Stage", "parse_progress", "plain_lines"]

T = TypeVar("T")
WINDOW_LINES = 50
LONGEST_LINE = 80
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor
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
    """What a job is doing."""

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
    """What the latest lines say; None where they say nothing of it."""

    stage: Stage | None = None
    last_log: str | None = None
    progress: float | None = None


def plain_lines(text: str) -> list[str]:
    """The lines as a terminal would show them in the end: without escape codes, and of a bar its latest state."""
    shown = ESCAPES.sub("", text)
    found = []
    for line in shown.split("\n"):
        states = [CONTROLS.sub("", state).strip() for state in line.split("\r")]
        latest = next((state for state in reversed(states) if state), "")
        if latest:
            found.append(latest)
    return found


def parse_progress(text: str) -> ParsedProgress:
    """Stage, last line and progress, each from the newest of the last lines that says something of it; steps go before epochs."""
    window = plain_lines(text)[-WINDOW_LINES:]
    if not window:
        return ParsedProgress()
    progress = newest(window, share_of(STEP_OF))
    if progress is None:
        progress = newest(window, share_of(EPOCH_OF))
    return ParsedProgress(newest(window, stage_of), cut(window[-1]), progress)


def newest(lines: Sequence[str], read: Callable[[str], T | None]) -> T | None:
    """What the newest line says that says anything."""
    return next((said for line in reversed(lines) if (said := read(line)) is not None), None)


def share_of(pattern: re.Pattern[str]) -> Callable[[str], float | None]:
    """How a line is read for `N/M` of something: as a percentage, of which the last in the line counts."""

    def read(line: str) -> float | None:
        found = [(number(done), number(total)) for done, total in pattern.findall(line)]
        shares = [100 * done / total for done, total in found if total]
        return round(min(100.0, shares[-1]), 1) if shares else None

    return read


def number(text: str) -> int:
    """A number that may have thousands set off by commas."""
    return int(text.replace(",", "")[:300])


def stage_of(line: str) -> Stage | None:
    """What one line says of the stage."""
    if NUMBERED.search(line) or any(share_of(pattern)(line) is not None for pattern in (STEP_OF, EPOCH_OF)):
        return Stage.TRAINING
    return next((stage for stage, pattern in WORDS if pattern.search(line)), None)


def cut(line: str) -> str:
    """A line of at most 80 characters."""
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."
