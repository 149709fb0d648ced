"""The store: streams received, projections of them, and the questions those answer."""

from tasuki.store.alerts import Told, alerts_told
from tasuki.store.audit import Problem, VerifyReport
from tasuki.store.catchup import Caught, catch_up, count_missing
from tasuki.store.columns import Columns, Grid, grid
from tasuki.store.condition import Condition, Gap
from tasuki.store.dump import Dump, dump
from tasuki.store.edits import Edit, changed, deleted, later
from tasuki.store.events import EVERYBODYS, KEPT_EVENTS, Event, EventSpan, event_span, events_after
from tasuki.store.files import FileContent
from tasuki.store.generation import Generations, connect, generation_number
from tasuki.store.glance import glance
from tasuki.store.history import HistoryPage
from tasuki.store.job_questions import Degraded, JobQuestions, JobRow, JobRun, JobsWanted, JobTotals, KnownAs
from tasuki.store.local import Arrival, LocalStore, RebuildReport, View, open_local
from tasuki.store.nearest import there_are
from tasuki.store.notes import NotesBehind, NotesPage, Wanted
from tasuki.store.place import database_folder
from tasuki.store.progress import Logged, logged_since
from tasuki.store.protocols import Editor, Ledger, ProjectQuery, Query, RunQuery, Series, Stoppable, Store, Top, WordQuery
from tasuki.store.questions import Began, Behind, Fate, Questions, RunsPage, StopWord, best_of
from tasuki.store.raw import RAW_FILE, RawStore
from tasuki.store.source import UnionSource, open_source
from tasuki.store.sql import immediate, one, rows

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
