"""Who a note is: its content, the digest of that, and the ids that are made from it.

Two promises rest on this. Delivery: a note that comes again, any number of times, has the same `event_id`. Content: a note that is
made again has it too, where its id is made from a key of the caller's or from brain, session and content.
"""

import hashlib
from typing import Any

import msgspec

from tasuki.records.schema import Correction, Event, Lesson, Note

__all__ = ["LONGEST_TEXT", "content_of", "digest_of", "id_from_content", "id_from_key", "text_of_note", "words_in"]

LONGEST_TEXT = 100_000
"""The most characters of a text in a note."""
ASIDE = {"time", "event_id", "session", "more"}
encode_sorted = msgspec.json.Encoder(order="sorted").encode


def content_of(note: Note) -> dict[str, Any]:
    """All that a note says but when, in which session and under which id; what is not said is left out."""
    said = dict(getattr(note, "more", {}))
    for name in note.__struct_fields__:
        if name not in ASIDE and (value := getattr(note, name)) not in (None, ""):
            said[name] = value
    return said


def text_of_note(note: Note) -> str:
    """The line that a note is shown by."""
    match note:
        case Correction():
            return note.description
        case Lesson():
            return note.text
        case Event():
            return note.name
    return str(getattr(note, "more", {}).get("name", ""))


def words_in(content: Any) -> str:
    """All text in a content, one below the other, for searching whatever its case."""
    match content:
        case str():
            return content.casefold()
        case dict():
            return "\n".join(words_in(value) for value in content.values())
        case list():
            return "\n".join(words_in(value) for value in content)
    return ""


def digest_of(note: Note) -> str:
    """Equal for two notes that say the same in the same session; when a light client says that it was made is no part of that."""
    said = content_of(note)
    said.pop("created_at", None)
    kind = note.__struct_config__.tag
    return hashlib.sha256(encode_sorted([kind, note.session, said])).hexdigest()[:32]


def id_from_content(brain: str, scope: str, digest: str) -> str:
    """The id of whatever has this digest in the brain, and in the same run (the scope) where there is no session."""
    return hashed("content", brain, scope, digest)


def id_from_key(brain: str, key: str) -> str:
    """The id of whatever has the same idempotency key in the brain."""
    return hashed("key", brain, key)


def hashed(*words: str) -> str:
    """32 hex digits that stand for the words."""
    return hashlib.sha256(encode_sorted(words)).hexdigest()[:32]
