"""Queries on runs: pages of runs, a run by id or name, requests to stop."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.errors import Conflict, NotFound
from tasuki.records import ProgressRow, RunRow, Status, StopRow
from tasuki.store.queries.attempts import TRACKER_SILENT_AFTER_US, AttemptOutcome
from tasuki.store.queries.projects import ProjectQueries
from tasuki.store.queries.statements import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    OPEN_STOP_REQUESTS,
    RUN_IDS_BY_NAME,
    RUN_IDS_BY_PREFIX,
    RUN_NAMES,
    RUNS_BY_ID,
    SILENT_AFTER_US,
)
from tasuki.store.queries.suggestions import suggest_names
from tasuki.store.series.summary import MAX_TIME

__all__ = ["RunCursor", "RunQueries", "RunsPage", "StopRequestRow", "decode_json"]

RunCursor = tuple[int, str]
"""Creation time and id of the last run of a page: the cursor that the next page starts after."""


class StopRequestRow(NamedTuple):
    """A request to stop, and the attempt that it addresses."""

    project: str
    run: str
    attempt: str
    reason: str | None
    by: str | None


class RunsPage(NamedTuple):
    """A page of runs, and the cursor of the next page; None if the page is empty."""

    rows: list[RunRow]
    next_cursor: RunCursor | None


class RunQueries(ProjectQueries):
    """Queries on runs."""

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """Return the runs of a project, or the first `limit` of them, by creation time or newest first."""
        return self.runs_page(project, limit=-1 if limit is None else limit, newest_first=newest_first).rows

    def runs_page(self, project: str, *, limit: int, after: RunCursor | None = None, newest_first: bool = False) -> RunsPage:
        """Return at most `limit` runs after the cursor `behind`; a negative limit means all."""
        found = fetch_all(self.db, NEWEST_FIRST if newest_first else OLDEST_FIRST, (project, *(after or (None, None)), limit))
        if not found:
            self.check_project(project)
        places = [(MAX_TIME if row[7] is None else row[7], row[1]) for row in found[-1:]]
        return RunsPage([self.build_run_row(project, *row) for row in found], places[0] if places else None)

    def count_runs(self, project: str) -> int:
        """Return the number of runs in a project."""
        return int(fetch_one(self.db, "SELECT count(*) FROM run WHERE project = ?", (project,))[0])

    def has_run(self, project: str, run: str) -> bool:
        """Return whether the projection holds anything of a run, a tombstone included."""
        return fetch_one(self.db, "SELECT 1 FROM run WHERE project = ? AND id = ?", (project, run)) is not None

    def projected_bytes(self, writer: str) -> int:
        """Return the number of bytes of a stream that are projected."""
        row = fetch_one(self.db, 'SELECT "offset" FROM writer WHERE id = ?', (writer,))
        return int(row[0]) if row else 0

    def build_run_row(self, project: str, key: int, id: str, *row: Any) -> RunRow:
        """Build a run from its database row."""
        (
            name,
            group,
            notes,
            tags,
            config,
            created,
            updated,
            points,
            lost,
            attempt,
            environment,
            status,
            reason,
            ended,
            number,
            *more,
        ) = row
        stop, progress = more[:3], more[3:]
        known = {} if environment is None else decode_json(environment)
        concluded = self.status(key, attempt, status, known.get("tracker"))
        if ended is None and "tracker" in known and concluded is Status.FINISHED:
            quiet = TRACKER_SILENT_AFTER_US // 60_000_000
            reason = f"{known['tracker']} does not say how a run ends: nothing has come for {quiet} minutes"
        return RunRow(
            project=project,
            id=id,
            name=name or id,
            status=concluded,
            group=group,
            notes=notes,
            tags=[] if tags is None else decode_json(tags),
            config={} if config is None else decode_json(config),
            environment=known,
            attempt=max(number, 1),
            reason=reason,
            created=created or updated or 0,
            updated=updated or 0,
            ended=ended,
            points=points,
            lost=lost,
            attempt_id=attempt,
            stop=None if stop[0] is None else StopRow(time=stop[0], reason=stop[1], by=stop[2]),
            progress=None if progress[0] is None else ProgressRow(
                time=progress[0], done=progress[1], total=progress[2], rate=progress[3]
            ),
        )  # fmt: skip

    def run(self, project: str, ref: str) -> RunRow:
        """Return one run, by id, by a unique prefix of its id, or by a name that no other run has."""
        if found := self.runs_by_id(project, [ref]):
            return found[ref]
        self.check_project(project)
        for statement in (RUN_IDS_BY_NAME, RUN_IDS_BY_PREFIX) if ref else ():
            ids = [id for (id,) in fetch_all(self.db, statement, (project, ref))]
            if len(ids) == 1:
                return self.run(project, ids[0])
            if ids:
                hint = f"say which: {', '.join(ids[:10])}" + (", ..." if len(ids) > 10 else "")
                raise NotFound(f"project {project!r} has {len(ids)} runs that {ref!r} may mean", hint=hint)
        raise self.make_no_run_error(project, ref)

    def runs_by_ref(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Return several runs, in the order of `refs`; each ref as in `run`."""
        found = self.runs_by_id(project, refs)
        return [found[ref] if ref in found else self.run(project, ref) for ref in refs]

    def runs_by_id(self, project: str, ids: Sequence[str]) -> dict[str, RunRow]:
        """Return the runs with these ids, by id; omit ids that do not exist."""
        found = (self.build_run_row(project, *row) for row in fetch_all(self.db, RUNS_BY_ID, (project, json.dumps(list(ids)))))
        return {row.id: row for row in found}

    def make_no_run_error(self, project: str, ref: str) -> NotFound:
        """Build the error for a run that does not exist, with similar runs as the hint."""
        names = [id if name == id else f"{id} ({name})" for id, name in fetch_all(self.db, RUN_NAMES, (project,))]
        return NotFound(f"project {project!r} has no run {ref!r}", hint=suggest_names(ref, names) if names else "it has none yet")

    def run_key(self, project: str, run: str) -> int:
        """Return the primary key of a run, by its id or any ref that `run` accepts."""
        row = fetch_one(self.db, "SELECT key FROM run WHERE project = ? AND id = ?", (project, run))
        if row is None:
            return self.run_key(project, self.run(project, run).id)
        return int(row[0])

    def run_id(self, project: str, ref: str) -> str:
        """Return the id of a run, by any ref that `run` accepts."""
        exact = fetch_one(self.db, "SELECT 1 FROM run WHERE project = ? AND id = ?", (project, ref))
        return ref if exact else self.run(project, ref).id

    def stoppable_run(self, project: str, ref: str) -> RunRow:
        """Return a run that can be stopped (running or silent). Raise Conflict if it has ended."""
        row = self.run(project, ref)
        if row.attempt_id and row.status is Status.CRASHED:
            streams = self.attempt_streams(self.run_key(project, row.id), row.attempt_id)
            if self.find_outcome(streams, SILENT_AFTER_US) is AttemptOutcome.SILENT:
                return row
        if row.status.is_final or row.attempt_id is None:
            raise Conflict(f"run {row.id!r} ({row.name}) is {row.status}: there is nothing to stop")
        return row

    def open_stop_requests(self) -> list[StopRequestRow]:
        """Return the requests to stop that may be undelivered: those for attempts without a recorded end."""
        return [StopRequestRow(*row) for row in self.db.execute(OPEN_STOP_REQUESTS)]


def decode_json(text: str) -> Any:
    """Decode a JSON column; fall back to the slower `json` module for NaN and infinities."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)
