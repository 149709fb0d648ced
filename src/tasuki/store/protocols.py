"""The seams of the store: where streams are received, what answers questions, what takes changes."""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, runtime_checkable

from tasuki.records import (
    AlertLevel,
    AlertRow,
    FileRow,
    HistoryRow,
    Item,
    ItemReply,
    MetricSummary,
    NoteKind,
    NoteRow,
    Position,
    ProjectOverview,
    ProjectRow,
    RunEdit,
    RunRow,
    TextRow,
)
from tasuki.store.queries.statements import BestRuns
from tasuki.store.series.points import Series

__all__ = ["ContentQuery", "ProjectQuery", "Query", "QueryAndEdit", "RunEditor", "RunQuery", "StopRequester", "StreamStore"]


class StreamStore(Protocol):
    """A receiver of streams. What it has answered `stored` is durable."""

    def append(self, items: Sequence[Item]) -> list[ItemReply]:
        """Compare and append all items in one durable commit; return a reply per item, in order. Idempotent."""
        ...

    def positions(self, writers: Collection[str]) -> dict[str, Position]:
        """The position of each writer; (0, 0) for one never heard of."""
        ...

    def purge(self, project: str, run: str) -> int:
        """Drop the run's streams, leaving tombstones; return their number.

        Items of such a stream are answered `stored` and discarded.
        """
        ...


class ProjectQuery(Protocol):
    """Answers about projects. One that is not there raises NotFound, which names those nearest to it."""

    @property
    def missing(self) -> int:
        """Return how many records were not projected yet when the last query was answered."""
        ...

    def projects(self) -> list[ProjectRow]:
        """All projects, by name."""
        ...

    def overview(self, project: str) -> ProjectOverview:
        """Return the overview of a project: runs by status, range of each metric, alerts by level."""
        ...


class ContentQuery(Protocol):
    """Answers that are no numbers: what runs, people and agents have said, and what they keep."""

    def alerts(
        self,
        project: str,
        run: str | None = None,
        *,
        since: int | str | None = None,
        reason: str | None = None,
        level: AlertLevel | None = None,
    ) -> list[AlertRow]:
        """Return the alerts of a project or of one run (by id), in order of arrival.

        Those of one moment by time.

        Only those later than a time (microseconds UTC), or that arrived after the alert of an id (NotFound if it is none of the
        project's): who goes on from the last one they have seen misses none and gets none twice. Only those with a reason, or of
        a level or a louder one.
        """
        ...

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """Return the texts of a run in order of arrival; only those of `name`, if given."""
        ...

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """A project's notes by time, once each; those that conflict with one that came first are marked.

        Only those of a kind, later than `since` (microseconds UTC), or in whose texts `search` is found, whatever its case.
        """
        ...

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """Return the files of a project, or of one run (by id; "" for those of no run), in order of arrival."""
        ...


class RunQuery(Protocol):
    """Queries about runs. For an unknown run or metric, raise NotFound, which names the nearest ones."""

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """Return the project's runs, or the first `limit` of them, oldest or newest first."""
        ...

    def run(self, project: str, ref: str) -> RunRow:
        """One run, by id, by a unique beginning of its id, or by a name that no other run has."""
        ...

    def runs_by_ref(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Several runs at once, in the order of what they are named by."""
        ...

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """Return the summary of each metric of each run, by run and metric; of all, or of given ids and names.

        With `top` only the best of them, the best first.
        """
        ...

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """Return the logged calls, by (step, time); with `metric`, only calls and values of that metric."""
        ...

    def history_pages(self, project: str, run: str, metric: str | None = None) -> Iterator[list[HistoryRow]]:
        """The same page by page, however much it is. What is logged meanwhile, behind the last page, is in it."""
        ...

    def series(self, project: str, run: str, metric: str) -> Series:
        """One metric's points. NotFound for a metric that the run has not logged."""
        ...


class Query(ProjectQuery, RunQuery, ContentQuery, Protocol):
    """All answers."""


class RunEditor(Protocol):
    """Edits of runs. Each is a record of its run, on disk when the call returns.

    It is later than all that was known of the run by then, and whoever asks afterwards sees it. NotFound if there is no such run.
    """

    def edit(self, project: str, run: str, change: RunEdit) -> RunRow:
        """Change fields and tags of a run (by whatever `run` finds it by); returns it as it is then."""
        ...

    def delete(self, project: str, run: str) -> RunRow:
        """Forget a run (by id): only a tombstone stays. Returns it as it was."""
        ...


class QueryAndEdit(Query, RunEditor, Protocol):
    """Queries and edits."""


@runtime_checkable
class StopRequester(Protocol):
    """Takes requests to stop."""

    def stop(self, project: str, ref: str, reason: str | None, by: str | None) -> RunRow:
        """Request that the latest attempt stops; return the run, whose `stop` is the attempt's first request.

        The request is durable, and is heard even if the run's machine is offline now. NotFound; Conflict for a run that is over.
        """
        ...
