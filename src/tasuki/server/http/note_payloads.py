"""Notes as light clients send them: JSON with defaults; unknown fields are kept."""

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
    """A correction."""

    session: Int64
    category: Text = "UNKNOWN"
    severity: Severity = Severity.MINOR
    description: Text = ""
    draft_preview: Text = ""
    final_preview: Text = ""
    created_at: Timestamp = None
    event_id: Id | None = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """As it is kept."""
        return Correction(
            time=time, event_id=self.event_id or "", session=self.session, draft=self.draft_preview, final=self.final_preview,
            category=self.category, severity=self.severity, description=self.description, more=extra_fields,
        )  # fmt: skip


class LessonPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A lesson: its text, or what other clients call its description."""

    text: Text = ""
    description: Text = ""
    confidence: Fraction | None = None
    category: Text | None = None
    session: Int64 | None = None
    created_at: Timestamp = None
    event_id: Id | None = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """As it is kept. ValueError for one that says nothing."""
        if not (self.text or self.description).strip():
            raise ValueError("a lesson needs a `text` (or a `description`)")
        if self.text and self.description:
            extra_fields |= {"description": self.description}
        return Lesson(
            time=time, event_id=self.event_id or "", session=self.session, text=self.text or self.description,
            confidence=self.confidence, category=self.category, more=extra_fields,
        )  # fmt: skip


class EventPayload(msgspec.Struct, frozen=True, kw_only=True):
    """An event: its name, or what other clients call its type."""

    name: Text = ""
    type: Text = ""
    data: Any = None
    session: Int64 | None = None
    created_at: Timestamp = None
    event_id: Id | None = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """As it is kept. ValueError for one without a name."""
        if not (self.name or self.type).strip():
            raise ValueError("an event needs a `name` (or a `type`)")
        if self.name and self.type:
            extra_fields |= {"type": self.type}
        name = self.name or self.type
        return Event(time=time, event_id=self.event_id or "", session=self.session, name=name, data=self.data, more=extra_fields)


class RulePayload(msgspec.Struct, frozen=True, kw_only=True):
    """A rule about lessons; all of it is kept as it is."""

    event_id: Id | None = None
    created_at: Timestamp = None

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """As it is kept."""
        return MetaRule(time=time, event_id=self.event_id or "", more=extra_fields)


class ManifestPayload(RulePayload, frozen=True, kw_only=True):
    """A client's description of itself, kept as it is."""

    def to_record(self, time: int, extra_fields: dict[str, Any]) -> Note:
        """As it is kept."""
        return Manifest(time=time, event_id=self.event_id or "", more=extra_fields)


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One correction, of a brain."""

    correction: dict[str, Any]
    brain_id: Name = DEFAULT_BRAIN
    event_id: Id | None = None


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The notes that a brain has gathered. `cursor`: the watermark that the client has."""

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
    """A note of a request, and where in it it stood."""

    list_name: str
    list_index: int
    note: Note


def parse_note(brain: str, list_name: str, index: int, fields: dict[str, Any], time: int) -> PositionedNote:
    """Parse a note; without an id, derive one from its content. Raise ValueError if invalid."""
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
    """All notes of a request. Refusal (422), which names each that is none and what is wrong with it."""
    found, wrong = [], []
    for name, index, fields in iter_note_fields(sync):
        try:
            found.append(parse_note(brain, name, index, fields, time))
        except ValueError as error:  # msgspec's own is one
            wrong.append(f"{name}[{index}]: {error}")
    if wrong:
        raise HttpProblem(422, "; ".join(wrong), hint="nothing of this request is stored; send it without these")
    return found


def iter_note_fields(sync: SyncRequest) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Each note of a request, with its list and its place in that."""
    for name in PAYLOAD_TYPES:
        for index, fields in enumerate(getattr(sync, name)):
            yield name, index, fields
    if sync.manifest:
        yield "manifest", 0, sync.manifest
