"""What `tasuki doctor` concludes from the condition of a data folder."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from tasuki.cli.shared.formatting import for_people
from tasuki.clock import SYSTEM, datetime_from_us
from tasuki.errors import Conflict, TasukiError

if TYPE_CHECKING:
    from tasuki.store import FolderStatus

__all__ = ["Check", "CheckLevel", "broken", "checkup", "locked"]

SOUND_SQLITE = (3, 51, 3)
"""The first without the WAL-reset bug: https://sqlite.org/wal.html#walresetbug"""
LITTLE_BYTES = 200_000_000
LISTED = 5


class CheckLevel(StrEnum):
    """How well something is."""

    OK = "ok"
    DEGRADED = "degraded"
    BROKEN = "broken"

    @property
    def exit_code(self) -> int:
        """What the command exits with when this is the worst."""
        return list(CheckLevel).index(self)


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: CheckLevel
    found: str
    hint: str | None = None


def broken(error: Exception) -> list[Check]:
    """The one thing to say when the folder can't be used at all."""
    hint = error.hint if isinstance(error, TasukiError) else None
    return [Check("data folder", CheckLevel.BROKEN, error.message if isinstance(error, TasukiError) else str(error), hint)]


def checkup(condition: "FolderStatus", free_bytes: int) -> list[Check]:
    """All there is to say."""
    return [
        Check("data folder", CheckLevel.OK, condition.folder),
        Check("journals", CheckLevel.OK, journals(condition)),
        disk(free_bytes),
        sqlite(condition.sqlite_version),
        unless(
            condition.missing_records,
            "store",
            f"{condition.missing_records:,} records behind the journals",
            "ask again in a moment; if it stays so: tasuki rebuild",
            fine=f"{condition.store} has everything: {recorded(condition)}",
        ),
        unless(
            condition.holes,
            "holes",
            some([f"{hole.writer} at {hole.offset}" for hole in condition.holes]),
            "what lies before and behind is kept; a copy of the file from elsewhere fills the hole",
        ),
        unless(
            condition.refused,
            "foreign files",
            some([f"{path}: {reason}" for path, reason in condition.refused]),
            "a newer file needs a newer tasuki; move away what is no journal",
        ),
        unless(
            condition.rejected_records,
            "unreadable records",
            f"{condition.rejected_records:,}, listed and skipped",
            "tasuki query 'SELECT * FROM rejected'",
        ),
        unless(
            condition.unknown_kinds,
            "unknown records",
            some([f"{n:,} {kind}" for kind, n in condition.unknown_kinds.items()]),
            "of a later version: kept, and shown after an upgrade",
        ),
        unless(
            condition.lost_records,
            "lost calls",
            f"{condition.lost_records:,} could not be written when they were made",
            "make room on the disk of the journals; tasuki run list --json says which runs (lost)",
        ),
    ]


def disk(free_bytes: int) -> Check:
    """Whether there is room for what will be recorded."""
    found = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes >= LITTLE_BYTES:
        return Check("disk", CheckLevel.OK, found)
    return Check("disk", CheckLevel.DEGRADED, found, "make room: what can't be written is lost, though counted")


def sqlite(version: str) -> Check:
    """Whether the SQLite in use is one that keeps what it says."""
    if tuple(map(int, version.split("."))) >= SOUND_SQLITE:
        return Check("sqlite", CheckLevel.OK, version)
    return Check("sqlite", CheckLevel.DEGRADED, f"{version} may lose commits", "pip install --upgrade apsw")


def journals(condition: "FolderStatus") -> str:
    """Where the journals are, how many, and when the last record was made."""
    found = f"{condition.journal_folder} ({condition.file_system}): {condition.journals:,}, {condition.alive:,} being written"
    if condition.unknown_owner:
        found += f", {condition.unknown_owner:,} by another host or a process that can't be seen"
    if condition.last_record:
        now = datetime_from_us(SYSTEM.now_us())
        found += f", last record {for_people(datetime_from_us(condition.last_record), now)}"
    return found


def recorded(condition: "FolderStatus") -> str:
    """What is in the store: runs, notes, or both."""
    found = [f"{condition.runs:,} runs in {condition.projects:,} projects"] if condition.runs else []
    found += [f"{condition.notes:,} notes"] if condition.notes else []
    return " and ".join(found) or "nothing is recorded yet"


def locked(error: Conflict) -> Check:
    """What to say of a store that another process keeps to itself."""
    return Check("store", CheckLevel.DEGRADED, error.message, error.hint)


def unless(bad: Any, name: str, found: str, hint: str, *, fine: str = "none") -> Check:
    """All is well unless there is something bad."""
    return Check(name, CheckLevel.DEGRADED, found, hint) if bad else Check(name, CheckLevel.OK, fine)


def some(items: Sequence[object]) -> str:
    """The first few, and how many more."""
    more = len(items) - LISTED
    return "; ".join(map(str, items[:LISTED])) + (f"; and {more:,} more" if more > 0 else "")
