"""The store: streams received, projections of them, and the questions those answer."""

from tasuki.database.sqlite import immediate, one, rows
from tasuki.store.apply.event_writer import EVERYBODYS, KEPT_EVENTS
from tasuki.store.catch_up import Caught, catch_up, count_missing
from tasuki.store.database_location import database_folder
from tasuki.store.edit_records import Edit, changed, deleted, later
from tasuki.store.folder_status import Condition, Gap
from tasuki.store.generations import Generations, connect, generation_number
from tasuki.store.local_store import Arrival, LocalStore, RebuildReport, View, open_local
from tasuki.store.logical_dump import Dump, dump
from tasuki.store.protocols import Editor, Ledger, ProjectQuery, Query, RunQuery, Stoppable, Store, WordQuery
from tasuki.store.queries.alert_feed import Told, alerts_told
from tasuki.store.queries.events import Event, EventSpan, event_span, events_after
from tasuki.store.queries.files import FileContent
from tasuki.store.queries.history import HistoryPage
from tasuki.store.queries.jobs import Degraded, JobQuestions, JobRow, JobRun, JobsWanted, JobTotals, KnownAs
from tasuki.store.queries.notes import NotesBehind, NotesPage, Wanted
from tasuki.store.queries.run_activity import Logged, logged_since
from tasuki.store.queries.runs import Began, Behind, Fate, Questions, RunsPage, StopWord, best_of
from tasuki.store.queries.statements import Top
from tasuki.store.queries.suggestions import there_are
from tasuki.store.raw_store import RAW_FILE, RawStore
from tasuki.store.series.downsample import Columns, Grid, grid
from tasuki.store.series.points import Series
from tasuki.store.stale_read import glance
from tasuki.store.union_source import UnionSource, open_source
from tasuki.store.verify import Problem, VerifyReport

__all__ = [
    "EVERYBODYS",
    "KEPT_EVENTS",
    "RAW_FILE",
    "Arrival",
    "Began",
    "Behind",
    "Caught",
    "Columns",
    "Condition",
    "Degraded",
    "Dump",
    "Edit",
    "Editor",
    "Event",
    "EventSpan",
    "Fate",
    "FileContent",
    "Gap",
    "Generations",
    "Grid",
    "HistoryPage",
    "JobQuestions",
    "JobRow",
    "JobRun",
    "JobTotals",
    "JobsWanted",
    "KnownAs",
    "Ledger",
    "LocalStore",
    "Logged",
    "NotesBehind",
    "NotesPage",
    "Problem",
    "ProjectQuery",
    "Query",
    "Questions",
    "RawStore",
    "RebuildReport",
    "RunQuery",
    "RunsPage",
    "Series",
    "StopWord",
    "Stoppable",
    "Store",
    "Told",
    "Top",
    "UnionSource",
    "VerifyReport",
    "View",
    "Wanted",
    "WordQuery",
    "alerts_told",
    "best_of",
    "catch_up",
    "changed",
    "connect",
    "count_missing",
    "database_folder",
    "deleted",
    "dump",
    "event_span",
    "events_after",
    "generation_number",
    "glance",
    "grid",
    "immediate",
    "later",
    "logged_since",
    "one",
    "open_local",
    "open_source",
    "rows",
    "there_are",
]
