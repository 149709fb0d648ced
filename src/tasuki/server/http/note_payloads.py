"""JSON payloads of notes that clients without a journal send. Unknown fields are stored, too."""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from tasuki.records import (
    MAX_TEXT_CHARACTERS,
    Correction,
    Event,
    Lesson,
    Manifest,
    MetaRule,
    Note,
    Severity,
    compute_note_digest,
    id_from_content,
)
from tasuki.server.http.problems import HttpProblem

__all__ = ["DEFAULT_BRAIN", "CorrectionPayload", "IngestRequest", "PositionedNote", "SyncRequest", "parse_note", "parse_notes"]

DEFAULT_BRAIN = "default"
"""The brain of those who name none."""
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARACTERS)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Timestamp = str | int | float | None
T = TypeVar("T")


class CorrectionPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A correction: a draft, its final version, and the session in which it was made."""

    session: Int64
    category: Text = "UNKNOWN"
    severity: Severity = Severity.MINOR
    description: Text = ""
    draft_preview: Text = ""
    final_preview: Text = ""
    created_at: Timestamp = None
    event_id: Id | None = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """Return the correction as a record."""
        return Correction(
            time=time, event_id=self.event_id or "", session=self.session, draft=self.draft_preview, final=self.final_preview,
            category=self.category, severity=self.severity, description=self.description, more=extra_fields,
        )  # fmt: skip


class LessonPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A lesson: its text, which some clients send as `description`."""

    text: Text = ""
    description: Text = ""
    confidence: Fraction | None = None
    category: Text | None = None
    session: Int64 | None = None
    created_at: Timestamp = None
    event_id: Id | None = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """Return the lesson as a record. Raise ValueError if it has no text."""
        if not (self.text or self.description).strip():
            raise ValueError("a lesson needs a `text` (or a `description`)")
        if self.text and self.description:
            extra_fields |= {"description": self.description}
        return Lesson(
            time=time, event_id=self.event_id or "", session=self.session, text=self.text or self.description,
            confidence=self.confidence, category=self.category, more=extra_fields,
        )  # fmt: skip


class EventPayload(msgspec.Struct, frozen=True, kw_only=True):
    """An event: its name, which some clients send as `type`."""

    name: Text = ""
    type: Text = ""
    data: Any = None
    session: Int64 | None = None
    created_at: Timestamp = None
    event_id: Id | None = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """Return the event as a record. Raise ValueError if it has no name."""
        if not (self.name or self.type).strip():
            raise ValueError("an event needs a `name` (or a `type`)")
        if self.name and self.type:
            extra_fields |= {"type": self.type}
        name = self.name or self.type
        return Event(time=time, event_id=self.event_id or "", session=self.session, name=name, data=self.data, more=extra_fields)


class RulePayload(msgspec.Struct, frozen=True, kw_only=True):
    """A rule about lessons; every field is stored unchanged."""

    event_id: Id | None = None
    created_at: Timestamp = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """Return the rule as a record."""
        return MetaRule(time=time, event_id=self.event_id or "", more=extra_fields)


class ManifestPayload(RulePayload, frozen=True, kw_only=True):
    """Description of a client by itself; every field is stored unchanged."""

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """Return the manifest as a record."""
        return Manifest(time=time, event_id=self.event_id or "", more=extra_fields)


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A correction, with its brain and an optional event id."""

    correction: dict[str, Any]
    brain_id: Name = DEFAULT_BRAIN
    event_id: Id | None = None


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Notes of a brain. `cursor`: the watermark of the client's last sync."""

    brain_name: Name
    corrections: list[dict[str, Any]] = []
    lessons: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    meta_rules: list[dict[str, Any]] = []
    manifest: dict[str, Any] = {}
    cursor: str | None = None


PAYLOAD_TYPES: dict[str, type[CorrectionPayload | LessonPayload | EventPayload | RulePayload]] = {
    "corrections": CorrectionPayload,
    "lessons": LessonPayload,
    "events": EventPayload,
    "meta_rules": RulePayload,
}


class PositionedNote(NamedTuple):
    """A note with its position in the request: the name of its list, and the index in that list."""

    list_name: str
    list_index: int
    note: Note


def parse_note(brain: str, list_name: str, index: int, fields: dict[str, Any], time: int) -> PositionedNote:
    """Decode a note. Without `event_id`, derive the id from the content.

    Raise ValueError if it is invalid.
    """
    kind = ManifestPayload if list_name == "manifest" else PAYLOAD_TYPES[list_name]
    given = msgspec.convert(fields, kind)
    known = set(kind.__struct_fields__) - {"created_at"}
    note = given.to_record(time, {key: value for key, value in fields.items() if key not in known and value is not None})
    return PositionedNote(
        list_name,
        index,
        note if note.event_id else msgspec.structs.replace(note, event_id=id_from_content(brain, "", compute_note_digest(note))),
    )


def parse_notes(brain: str, sync: SyncRequest, time: int) -> list[PositionedNote]:
    """Decode all notes of a request. Raise 422 if any is invalid, with the position and the error of each."""
    found, wrong = [], []
    for name, index, fields in iter_note_fields(sync):
        try:
            found.append(parse_note(brain, name, index, fields, time))
        except ValueError as error:  # msgspec.ValidationError is a ValueError, too
            wrong.append(f"{name}[{index}]: {error}")
    if wrong:
        raise HttpProblem(422, "; ".join(wrong), hint="nothing of this request is stored; send it without these")
    return found


def iter_note_fields(sync: SyncRequest) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield each note of a request with the name of its list and its index in that list."""
    for name in PAYLOAD_TYPES:
        for index, fields in enumerate(getattr(sync, name)):
            yield name, index, fields
    if sync.manifest:
        yield "manifest", 0, sync.manifest
