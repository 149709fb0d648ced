"""Records of notes: corrections, lessons, events, rules, and manifests."""

from enum import StrEnum
from typing import Any

from tasuki.records.schema.record import Int64, Record

__all__ = ["Correction", "Event", "Lesson", "Manifest", "MetaRule", "Note", "NoteKind", "Severity"]


class NoteKind(StrEnum):
    """Kind of a note."""

    CORRECTION = "correction"
    LESSON = "lesson"
    EVENT = "event"
    META_RULE = "meta_rule"
    MANIFEST = "manifest"


class Severity(StrEnum):
    """Extent of a correction."""

    AS_IS = "as-is"
    TRIVIAL = "trivial"
    MINOR = "minor"
    MODERATE = "moderate"
    MAJOR = "major"
    REWRITE = "rewrite"
    DISCARDED = "discarded"


class Note(Record, frozen=True, kw_only=True):
    """A lesson learned, in a run or outside. Notes with one `event_id` in a project are the same note.

    `more` holds fields of light clients that this version does not know.
    """

    event_id: str
    session: Int64 | None = None


class Correction(Note, frozen=True, kw_only=True, tag="correction"):
    """A draft, and what became of it."""

    draft: str = ""
    final: str = ""
    category: str = "UNKNOWN"
    severity: str = Severity.MINOR
    description: str = ""
    context: Any = None
    more: dict[str, Any] = {}


class Lesson(Note, frozen=True, kw_only=True, tag="lesson"):
    """Something to do, or not to do, from now on."""

    text: str = ""
    confidence: float | None = None
    category: str | None = None
    more: dict[str, Any] = {}


class Event(Note, frozen=True, kw_only=True, tag="event"):
    """Something that happened."""

    name: str = ""
    data: Any = None
    more: dict[str, Any] = {}


class MetaRule(Note, frozen=True, kw_only=True, tag="meta_rule"):
    """A rule about lessons, as a light client has it."""

    more: dict[str, Any] = {}


class Manifest(Note, frozen=True, kw_only=True, tag="manifest"):
    """A light client's description of itself."""

    more: dict[str, Any] = {}
