"""Notes as they are asked for: which, by pages, and as rows."""

import json
from typing import Any, NamedTuple

from tasuki.records import NoteKind, NoteRow

__all__ = [
    "FROM_MATCHING_NOTES",
    "NEWEST_NOTES",
    "OLDEST_NOTES",
    "SELECT_VALID_DIGESTS",
    "NoteCursor",
    "NoteFilter",
    "NotesPage",
    "build_note_row",
]

EARLIER_NOTE_EXISTS = """EXISTS (SELECT 1 FROM note b WHERE b.project = n.project AND b.event_id = n.event_id
    AND (b.clock, b.writer, b."offset") < (n.clock, n.writer, n."offset") {same})"""
FROM_MATCHING_NOTES = f"""
FROM note n WHERE project = ?1 AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR time > ?3)
    AND (?4 IS NULL OR instr(words_in(content), ?4)) AND NOT {EARLIER_NOTE_EXISTS.format(same="AND b.digest = n.digest")}
"""
NOTES_PAGE = f"""
SELECT clock, writer, "offset", event_id, run, kind, time, session, category, text, content, {EARLIER_NOTE_EXISTS.format(same="")}
{FROM_MATCHING_NOTES}
    AND (?6 IS NULL OR (clock, writer, "offset") {{behind}} (?6, ?7, ?8))
ORDER BY clock {{direction}}, writer {{direction}}, "offset" {{direction}} LIMIT ?5
"""
OLDEST_NOTES = NOTES_PAGE.format(behind=">", direction="ASC")
NEWEST_NOTES = NOTES_PAGE.format(behind="<", direction="DESC")
SELECT_VALID_DIGESTS = """
SELECT event_id, digest FROM note WHERE project = ?1 AND event_id IN (SELECT value FROM json_each(?2))
ORDER BY event_id, clock DESC, writer DESC, "offset" DESC
"""

NoteCursor = tuple[int, str, int]
"""Where in the order of notes a page ends."""


class NoteFilter(NamedTuple):
    """Filter of notes: kind, minimum time, and a text that they contain."""

    kind: NoteKind | None = None
    since: int | None = None
    search: str | None = None

    @property
    def parameters(self) -> tuple[str | None, int | None, str | None]:
        """For the statements."""
        return self.kind, self.since, self.search.casefold() if self.search else None


class NotesPage(NamedTuple):
    """A page of notes, the cursor of the next page (None at the end), and the total."""

    rows: list[NoteRow]
    next_cursor: NoteCursor | None
    total: int


def build_note_row(project: str, _: int, writer: str, offset: int, *row: Any) -> NoteRow:
    """A note from its row."""
    event_id, run, kind, time, session, category, text, content, conflict = row
    return NoteRow(
        id=f"{writer}:{offset}", event_id=event_id, project=project, run=run, kind=NoteKind(kind), time=time, session=session,
        category=category, text=text, content=json.loads(content), conflict=bool(conflict),
    )  # fmt: skip
