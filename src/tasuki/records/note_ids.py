"""Identity of a note: its content, the content's digest, and ids derived from it.

Two promises rest on this. Delivery: a note that comes again, any number of times, has the same `event_id`. Content: a note that is
made again has it too, where its id is made from a key of the caller's or from brain, session and content.
"""

import hashlib
from typing import Any

import msgspec

from tasuki.records.schema import Correction, Event, Lesson, Note

__all__ = [
    "MAX_TEXT_CHARACTERS",
    "compute_note_digest",
    "extract_content",
    "extract_search_text",
    "get_note_text",
    "id_from_content",
    "id_from_key",
]

MAX_TEXT_CHARACTERS = 100_000
"""The most characters of a text in a note."""
EXCLUDED_FIELDS = {"time", "event_id", "session", "more"}
encode_sorted = msgspec.json.Encoder(order="sorted").encode


def extract_content(note: Note) -> dict[str, Any]:
    """All that a note says but when, in which session and under which id; what is not said is left out."""
    said = dict(getattr(note, "more", {}))
    for name in note.__struct_fields__:
        if name not in EXCLUDED_FIELDS and (value := getattr(note, name)) not in (None, ""):
            said[name] = value
    return said


def get_note_text(note: Note) -> str:
    """The line that a note is shown by."""
    match note:
        case Correction():
            return note.description
        case Lesson():
            return note.text
        case Event():
            return note.name
    return str(getattr(note, "more", {}).get("name", ""))


def extract_search_text(content: Any) -> str:
    """All text in a content, one below the other, for searching whatever its case."""
    match content:
        case str():
            return content.casefold()
        case dict():
            return "\n".join(extract_search_text(value) for value in content.values())
        case list():
            return "\n".join(extract_search_text(value) for value in content)
    return ""


def compute_note_digest(note: Note) -> str:
    """Return a digest that is equal for equal notes of one session.

    A light client's creation time is ignored.
    """
    said = extract_content(note)
    said.pop("created_at", None)
    kind = note.__struct_config__.tag
    return hashlib.sha256(encode_sorted([kind, note.session, said])).hexdigest()[:32]


def id_from_content(brain: str, scope: str, digest: str) -> str:
    """Derive an id from a digest, the brain, and, outside of sessions, the run (the scope)."""
    return hash_words("content", brain, scope, digest)


def id_from_key(brain: str, key: str) -> str:
    """The id of whatever has the same idempotency key in the brain."""
    return hash_words("key", brain, key)


def hash_words(*words: str) -> str:
    """32 hex digits that stand for the words."""
    return hashlib.sha256(encode_sorted(words)).hexdigest()[:32]
