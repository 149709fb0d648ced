"""Corrections, lessons and events: what a run and a brain can note, each as cheap as `log()`."""

import secrets
from collections.abc import Mapping
from typing import Any, TypedDict

import msgspec

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError
from tasuki.journal import Appender
from tasuki.records import (
    MAX_TEXT_CHARACTERS,
    Correction,
    Event,
    Lesson,
    Note,
    Severity,
    compute_note_digest,
    encode,
    id_from_content,
    id_from_key,
)
from tasuki.sdk.value_conversion import MAX_INT64, to_json_value, to_text

__all__ = ["NoteReceipt", "NoteWriter", "NotesMixin"]

SEVERITIES = frozenset(Severity)


class NoteReceipt(TypedDict):
    """The note's id, and whether this process had noted the same before."""

    event_id: str
    deduplicated: bool


class NoteWriter:
    """Writes notes of a run, or of a brain.

    `scope`: notes with equal content and equal scope get the same id.
    """

    def __init__(self, appender: Appender, *, session: int | None = None, scope: str = "", deduplicate: bool = True) -> None:
        self.appender = appender
        self.session = validate_session(session)
        self.scope = scope
        self.deduplicate = deduplicate
        self.digests: dict[str, str] = {}

    def add(self, note: Note, key: str | None, *, deduplicate: bool) -> NoteReceipt:
        """Append a note under its id, unless this process has appended the same before."""
        brain, digest = self.appender.project, compute_note_digest(note)
        if key is not None:
            event_id = id_from_key(brain, validate_text("idempotency_key", key))
        elif deduplicate:
            event_id = id_from_content(brain, self.scope if note.session is None else "", digest)
        else:
            event_id = secrets.token_hex(16)
        if self.digests.get(event_id) == digest:
            return NoteReceipt(event_id=event_id, deduplicated=True)
        self.appender.append(encode(msgspec.structs.replace(note, event_id=event_id)))
        if self.appender.lost_calls is None and (deduplicate or key is not None):
            self.digests.setdefault(event_id, digest)
        return NoteReceipt(event_id=event_id, deduplicated=False)


class NotesMixin:
    """Methods that a run and a brain share: record corrections, lessons, and events."""

    @property
    def note_writer(self) -> NoteWriter:
        """Return the note writer. Raise ConfigError once it is closed."""
        raise NotImplementedError

    def correct(  # noqa: PLR0913 - what there is to say of a correction
        self,
        draft: str,
        final: str,
        category: str | None = None,
        severity: str | None = None,
        session: int | None = None,
        context: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> NoteReceipt:
        """Note that a draft became something else; returns `{"event_id", "deduplicated"}`.

        `severity`: as-is, trivial, minor, moderate, major, rewrite or discarded. `context`: anything a config may hold.
        Two calls with one `idempotency_key` are one note (if they differ, the first stands and the other is listed as a conflict);
        without a key, two that say the same in one session are.
        ConfigError (a ValueError) for texts that are both empty, equal, or longer than 100,000 characters.
        """
        notebook = self.note_writer
        draft, final = validate_text("draft", draft), validate_text("final", final)
        if not draft.strip() and not final.strip():
            raise ConfigError("draft and final are both empty")
        if draft == final:
            raise ConfigError("draft and final are equal", hint="nothing was corrected")
        if severity is not None and severity not in SEVERITIES:
            raise ConfigError(f"there is no severity {severity!r}", hint=f"one of {', '.join(Severity)}")
        note = Correction(
            time=SYSTEM_CLOCK.now_us(),
            event_id="",
            session=notebook.session if session is None else validate_session(session),
            draft=draft,
            final=final,
            category="UNKNOWN" if category is None else validate_text("category", category),
            severity=Severity.MINOR if severity is None else severity,
            context=to_json_value(context),
        )
        return notebook.add(note, idempotency_key, deduplicate=notebook.deduplicate)

    def lesson(self, text: str, confidence: float | None = None, category: str | None = None) -> NoteReceipt:
        """Note something to do, or not to do, from now on. `confidence`: from 0 to 1."""
        notebook = self.note_writer
        if confidence is not None and not 0 <= confidence <= 1:
            raise ConfigError(f"confidence={confidence!r} is not between 0 and 1")
        note = Lesson(
            time=SYSTEM_CLOCK.now_us(),
            event_id="",
            session=notebook.session,
            text=validate_nonempty_text("text", text),
            confidence=None if confidence is None else float(confidence),
            category=None if category is None else validate_text("category", category),
        )
        return notebook.add(note, None, deduplicate=notebook.deduplicate)

    def event(self, name: str, data: Mapping[str, Any] | None = None) -> NoteReceipt:
        """Record an event; a repeated call is another event. `data`: any config value."""
        notebook = self.note_writer
        note = Event(
            time=SYSTEM_CLOCK.now_us(),
            event_id="",
            session=notebook.session,
            name=validate_nonempty_text("the event's name", name),
            data=to_json_value(data),
        )
        return notebook.add(note, None, deduplicate=False)


def validate_text(label: str, value: object) -> str:
    """A text that is not too long. ConfigError, which is a ValueError, for one that is."""
    if not isinstance(value, str):
        raise ConfigError(f"{label} is a {type(value).__qualname__}, not a text")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise ConfigError(f"{label} has {len(value):,} characters; {MAX_TEXT_CHARACTERS:,} are the most")
    return to_text(value)


def validate_nonempty_text(label: str, value: object) -> str:
    """A text that is not too long, and not empty either."""
    if not (said := validate_text(label, value)).strip():
        raise ConfigError(f"{label} is empty")
    return said


def validate_session(session: object) -> int | None:
    """The session's number, if there is one. ConfigError for what is none."""
    if session is None or (isinstance(session, int) and not isinstance(session, bool) and abs(session) <= MAX_INT64):
        return session
    raise ConfigError(f"session={session!r} is not a whole number of 64 bits")
