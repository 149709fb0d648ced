"""Queries on content other than metrics: notes, texts, alerts, files."""

import json
from collections.abc import Collection
from typing import Any

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.errors import NotFound
from tasuki.records import AlertLevel, AlertRow, FileRow, NoteKind, NoteRow, TextRow
from tasuki.store.queries.files import SELECT_CONTENT, SELECT_FILES, FileContent, build_file_rows
from tasuki.store.queries.notes import (
    FROM_MATCHING_NOTES,
    NEWEST_NOTES,
    OLDEST_NOTES,
    SELECT_VALID_DIGESTS,
    NoteCursor,
    NoteFilter,
    NotesPage,
    build_note_row,
)
from tasuki.store.queries.runs import RunQueries, decode_json
from tasuki.store.queries.statements import ALERT_ARRIVAL, ALERTS, RUN_TEXTS

__all__ = ["ContentQueries", "build_alert_row"]


class ContentQueries(RunQueries):
    """Queries on notes, texts, alerts and files."""

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """Return a project's notes by time, without duplicates; mark conflicts with earlier notes."""
        return self.notes_page(project, NoteFilter(kind, since, search), limit=-1).rows

    def notes_page(
        self, project: str, note_filter: NoteFilter, *, limit: int, after: NoteCursor | None = None, newest_first: bool = False
    ) -> NotesPage:
        """Return at most `limit` notes after the cursor `behind`; a negative limit means all."""
        self.check_project(project)
        parameters = (project, *note_filter.parameters)
        statement = NEWEST_NOTES if newest_first else OLDEST_NOTES
        found = fetch_all(self.db, statement, (*parameters, limit, *(after or (None, None, None))))
        (total,) = fetch_one(self.db, f"SELECT count(*) {FROM_MATCHING_NOTES}", parameters)
        return NotesPage([build_note_row(project, *row) for row in found], tuple(found[-1][:3]) if found else None, total)

    def valid_digests(self, project: str, event_ids: Collection[str]) -> dict[str, str]:
        """Map each known event id to the digest of the note that is valid for it: the first one recorded."""
        return dict(fetch_all(self.db, SELECT_VALID_DIGESTS, (project, json.dumps(list(event_ids)))))

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """Return the texts of a run, piece by piece in order of arrival; with `name`, of that text only."""
        found = self.db.execute(RUN_TEXTS, (self.run_key(project, run), name, name))
        return [TextRow(attempt=attempt, name=kept, time=time, text=text) for attempt, kept, time, text in found]

    def alerts(
        self,
        project: str,
        run: str | None = None,
        *,
        since: int | str | None = None,
        reason: str | None = None,
        level: AlertLevel | None = None,
    ) -> list[AlertRow]:
        """Return the alerts of a project or of one run, in order of arrival."""
        self.check_project(project)
        time, arrival = (None, self.arrival_number(project, since)) if isinstance(since, str) else (since, None)
        levels = None if level is None else json.dumps(level.this_and_higher)
        found = self.db.execute(ALERTS, (project, run, time, arrival, reason, levels))
        return [build_alert_row(project, *row) for row in found]

    def arrival_number(self, project: str, alert: str) -> int:
        """Return the arrival number of an alert. Raise NotFound if the project has no such alert."""
        writer, _, offset = alert.rpartition(":")
        row = fetch_one(self.db, ALERT_ARRIVAL, (project, writer, int(offset))) if offset.isascii() and offset.isdigit() else None
        if row is None:
            raise NotFound(
                f"project {project!r} has no alert {alert!r}",
                hint="it may have gone with its run: begin anew",
            )
        return int(row[0])

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """Return the files of a project or of one run, in order of arrival."""
        self.check_project(project)
        return build_file_rows(project, fetch_all(self.db, SELECT_FILES, (project, run)))

    def file_content(self, project: str, run: str, sha256: str) -> FileContent:
        """Return the file of a run with a given SHA-256. Raise NotFound if the run has no such file."""
        row = fetch_one(self.db, SELECT_CONTENT, (project, run, sha256))
        if row is None:
            raise NotFound(f"run {run!r} has no file {sha256!r}")
        return FileContent(*row)


def build_alert_row(project: str, writer: str, offset: int, *row: Any) -> AlertRow:
    """Build an alert from its database row."""
    run, run_name, time, level, title, text, reason, metric, value, step, data = row
    return AlertRow(
        id=f"{writer}:{offset}", project=project, run=run, run_name=run_name, time=time, level=AlertLevel(level), title=title,
        text=text, reason=reason, metric=metric, value=None if value is None else float(value), step=step,
        data=None if data is None else decode_json(data),
    )  # fmt: skip
