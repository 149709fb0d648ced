"""Notes as they are asked for: which, by pages, and as rows."""

import json
from typing import Any, NamedTuple

from tasuki.records import NoteKind, NoteRow

__all__ = ["NEWEST_NOTES", "NOTES", "OLDEST_NOTES", "STANDING", "NoteFilter", "NotesBehind", "NotesPage", "note_row"]

EARLIER = """EXISTS (SELECT 1 FROM note b WHERE b.project = n.project AND b.event_id = n.event_id
    AND (b.clock, b.writer, b."offset") < (n.clock, n.writer, n."offset") {same})"""
NOTES = f"""
FROM note n WHERE project = ?1 AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR time > ?3)
    AND (?4 IS NULL OR instr(words_in(content), ?4)) AND NOT {EARLIER.format(same="AND b.digest = n.digest")}
"""
NOTES_PAGE = f"""
SELECT clock, writer, "offset", event_id, run, kind, time, session, category, text, content, {EARLIER.format(same="")} {NOTES}
    AND (?6 IS NULL OR (clock, writer, "offset") {{behind}} (?6, ?7, ?8))
ORDER BY clock {{direction}}, writer {{direction}}, "offset" {{direction}} LIMIT ?5
"""
OLDEST_NOTES = NOTES_PAGE.format(behind=">", direction="ASC")
NEWEST_NOTES = NOTES_PAGE.format(behind="<", direction="DESC")
STANDING = """
SELECT event_id, digest FROM note WHERE project = ?1 AND event_id IN (SELECT value FROM json_each(?2))
ORDER BY event_id, clock DESC, writer DESC, "offset" DESC
"""

NotesBehind = tuple[int, str, int]
"""Where in the order of notes a page ends."""


class NoteFilter(NamedTuple):
    """Which notes: of a kind, later than a time, with a text in them."""

    kind: NoteKind | None = None
    since: int | None = None
    search: str | None = None

    @property
    def values(self) -> tuple[str | None, int | None, str | None]:
        """For the statements."""
        return self.kind, self.since, self.search.casefold() if self.search else None


class NotesPage(NamedTuple):
    """Some notes, what the next page comes behind (None if there were none), and how many there are in all."""

    rows: list[NoteRow]
    end: NotesBehind | None
    total: int


def note_row(project: str, _: int, writer: str, offset: int, *row: Any) -> NoteRow:
    """A note from its row."""
    event_id, run, kind, time, session, category, text, content, conflict = row
    return NoteRow(
        id=f"{writer}:{offset}", event_id=event_id, project=project, run=run, kind=NoteKind(kind), time=time, session=session,
        category=category, text=text, content=json.loads(content), conflict=bool(conflict),
    )  # fmt: skip
