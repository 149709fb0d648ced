"""The store: streams received, projections of them, and the questions those answer."""

from tasuki.store.audit import Problem, VerifyReport
from tasuki.store.catchup import Caught, catch_up, count_missing
from tasuki.store.columns import Columns, Grid, grid
from tasuki.store.condition import Condition, Gap
from tasuki.store.dump import Dump, dump
from tasuki.store.events import EVERYBODYS, KEPT_EVENTS, Event, EventSpan, event_span, events_after
from tasuki.store.generation import Generations, connect, generation_number
from tasuki.store.history import HistoryPage
from tasuki.store.job_questions import Degraded, JobQuestions, JobRow, JobRun, JobsWanted, JobTotals, KnownAs
from tasuki.store.local import Arrival, LocalStore, RebuildReport, View, open_local
from tasuki.store.notes import NotesBehind, NotesPage, Wanted
from tasuki.store.place import database_folder
from tasuki.store.protocols import Query, Series, Store, Top
from tasuki.store.questions import Behind, Questions, RunsPage, best_of
from tasuki.store.raw import RAW_FILE, RawStore
from tasuki.store.source import UnionSource, open_source
from tasuki.store.sql import immediate, one, rows

__all__ = [
    "EVERYBODYS",
    "KEPT_EVENTS",
    "RAW_FILE",
    "Arrival",
    "Behind",
    "Caught",
    "Columns",
    "Condition",
    "Degraded",
    "Dump",
    "Event",
    "EventSpan",
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
    "LocalStore",
    "NotesBehind",
    "NotesPage",
    "Problem",
    "Query",
    "Questions",
    "RawStore",
    "RebuildReport",
    "RunsPage",
    "Series",
    "Store",
    "Top",
    "UnionSource",
    "VerifyReport",
    "View",
    "Wanted",
    "best_of",
    "catch_up",
    "connect",
    "count_missing",
    "database_folder",
    "dump",
    "event_span",
    "events_after",
    "generation_number",
    "grid",
    "immediate",
    "one",
    "open_local",
    "open_source",
    "rows",
]
