"""Checks of `tasuki doctor` on the status of a data folder."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from tasuki.cli.shared.formatting import format_cell
from tasuki.clock import SYSTEM_CLOCK, datetime_from_us
from tasuki.errors import Conflict, TasukiError

if TYPE_CHECKING:
    from tasuki.store import FolderStatus

__all__ = ["Check", "CheckLevel", "build_broken_checks", "build_folder_checks", "build_locked_check"]

MIN_SAFE_SQLITE = (3, 51, 3)
"""The first without the WAL-reset bug: https://sqlite.org/wal.html#walresetbug"""
LOW_DISK_BYTES = 200_000_000
MAX_LISTED = 5


class CheckLevel(StrEnum):
    """Level of a check."""

    OK = "ok"
    DEGRADED = "degraded"
    BROKEN = "broken"

    @property
    def exit_code(self) -> int:
        """Return the exit code for this level."""
        return list(CheckLevel).index(self)


class Check(NamedTuple):
    """Result of one check."""

    name: str
    state: CheckLevel
    found: str
    hint: str | None = None


def build_broken_checks(error: Exception) -> list[Check]:
    """Return the only check of an unusable folder."""
    hint = error.hint if isinstance(error, TasukiError) else None
    return [Check("data folder", CheckLevel.BROKEN, error.message if isinstance(error, TasukiError) else str(error), hint)]


def build_folder_checks(folder_status: "FolderStatus", free_bytes: int) -> list[Check]:
    """Return the checks of the folder's status."""
    return [
        Check("data folder", CheckLevel.OK, folder_status.folder),
        Check("journals", CheckLevel.OK, describe_journals(folder_status)),
        check_disk(free_bytes),
        check_sqlite(folder_status.sqlite_version),
        build_check(
            folder_status.missing_records,
            "store",
            f"{folder_status.missing_records:,} records behind the journals",
            "ask again in a moment; if it stays so: tasuki rebuild",
            ok_text=f"{folder_status.store} has everything: {describe_contents(folder_status)}",
        ),
        build_check(
            folder_status.holes,
            "holes",
            format_first([f"{hole.writer} at {hole.offset}" for hole in folder_status.holes]),
            "what lies before and behind is kept; a copy of the file from elsewhere fills the hole",
        ),
        build_check(
            folder_status.refused,
            "foreign files",
            format_first([f"{path}: {reason}" for path, reason in folder_status.refused]),
            "a newer file needs a newer tasuki; move away what is no journal",
        ),
        build_check(
            folder_status.rejected_records,
            "unreadable records",
            f"{folder_status.rejected_records:,}, listed and skipped",
            "tasuki query 'SELECT * FROM rejected'",
        ),
        build_check(
            folder_status.unknown_kinds,
            "unknown records",
            format_first([f"{n:,} {kind}" for kind, n in folder_status.unknown_kinds.items()]),
            "of a later version: kept, and shown after an upgrade",
        ),
        build_check(
            folder_status.lost_records,
            "lost calls",
            f"{folder_status.lost_records:,} could not be written when they were made",
            "make room on the disk of the journals; tasuki run list --json says which runs (lost)",
        ),
    ]


def check_disk(free_bytes: int) -> Check:
    """Check the free disk space."""
    found = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes >= LOW_DISK_BYTES:
        return Check("disk", CheckLevel.OK, found)
    return Check("disk", CheckLevel.DEGRADED, found, "make room: what can't be written is lost, though counted")


def check_sqlite(version: str) -> Check:
    """Check that this version of SQLite is durable."""
    if tuple(map(int, version.split("."))) >= MIN_SAFE_SQLITE:
        return Check("sqlite", CheckLevel.OK, version)
    return Check("sqlite", CheckLevel.DEGRADED, f"{version} may lose commits", "pip install --upgrade apsw")


def describe_journals(folder_status: "FolderStatus") -> str:
    """Describe location and number of journals, and the time of the last record."""
    found = f"{folder_status.journal_folder} ({folder_status.file_system}): {folder_status.journals:,}, "
    found += f"{folder_status.alive:,} being written"
    if folder_status.unknown_owner:
        found += f", {folder_status.unknown_owner:,} by another host or a process that can't be seen"
    if folder_status.last_record:
        now = datetime_from_us(SYSTEM_CLOCK.now_us())
        found += f", last record {format_cell(datetime_from_us(folder_status.last_record), now)}"
    return found


def describe_contents(folder_status: "FolderStatus") -> str:
    """Describe the store's contents: runs, notes, or both."""
    found = [f"{folder_status.runs:,} runs in {folder_status.projects:,} projects"] if folder_status.runs else []
    found += [f"{folder_status.notes:,} notes"] if folder_status.notes else []
    return " and ".join(found) or "nothing is recorded yet"


def build_locked_check(error: Conflict) -> Check:
    """Build the check of a store that another process has locked."""
    return Check("store", CheckLevel.DEGRADED, error.message, error.hint)


def build_check(problem: Any, name: str, found: str, hint: str, *, ok_text: str = "none") -> Check:
    """Build a check: ok unless there is a problem."""
    return Check(name, CheckLevel.DEGRADED, found, hint) if problem else Check(name, CheckLevel.OK, ok_text)


def format_first(items: Sequence[object]) -> str:
    """Format the first items, and the number of others."""
    more = len(items) - MAX_LISTED
    return "; ".join(map(str, items[:MAX_LISTED])) + (f"; and {more:,} more" if more > 0 else "")
