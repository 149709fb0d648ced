"""The store: received streams, their projection into tables, and queries on the projection."""

from tasuki.database.sqlite import immediate, one, rows
from tasuki.store.apply.event_writer import EVERYBODYS, KEPT_EVENTS
from tasuki.store.catch_up import CatchUpResult, catch_up, count_missing
from tasuki.store.database_location import database_folder
from tasuki.store.edit_records import Edit, changed, deleted, later
from tasuki.store.folder_status import FolderStatus, StreamDamage
from tasuki.store.generations import Generations, connect, generation_number
from tasuki.store.local_store import Arrival, LocalStore, RebuildReport, View, open_local
from tasuki.store.logical_dump import Dump, dump
from tasuki.store.protocols import ContentQuery, ProjectQuery, Query, QueryAndEdit, RunEditor, RunQuery, StopRequester, StreamStore
from tasuki.store.queries.alert_feed import AlertBatch, alerts_told
from tasuki.store.queries.attempts import AttemptOutcome, AttemptStart
from tasuki.store.queries.events import ChangeEvent, EventSpan, event_span, events_after
from tasuki.store.queries.files import FileContent
from tasuki.store.queries.history import HistoryPage
from tasuki.store.queries.jobs import DegradedProvider, JobFilter, JobQueries, JobRow, JobRun, JobTotals, ProviderJobRef
from tasuki.store.queries.notes import NoteFilter, NotesBehind, NotesPage
from tasuki.store.queries.queries import Queries
from tasuki.store.queries.run_activity import RunActivity, logged_since
from tasuki.store.queries.runs import Behind, RunsPage, StopRequestRow
from tasuki.store.queries.statements import BestRuns
from tasuki.store.queries.suggestions import there_are
from tasuki.store.queries.summaries import best_of
from tasuki.store.raw_store import RAW_FILE, RawStore
from tasuki.store.series.downsample import ChartColumns, Grid, grid
from tasuki.store.series.points import Series
from tasuki.store.stale_read import glance
from tasuki.store.union_source import UnionSource, open_source
from tasuki.store.verify import IntegrityProblem, VerifyReport

__all__ = [
    "EVERYBODYS",
    "KEPT_EVENTS",
    "RAW_FILE",
    "AlertBatch",
    "Arrival",
    "AttemptOutcome",
    "AttemptStart",
    "Behind",
    "BestRuns",
    "CatchUpResult",
    "ChangeEvent",
    "ChartColumns",
    "ContentQuery",
    "DegradedProvider",
    "Dump",
    "Edit",
    "EventSpan",
    "FileContent",
    "FolderStatus",
    "Generations",
    "Grid",
    "HistoryPage",
    "IntegrityProblem",
    "JobFilter",
    "JobQueries",
    "JobRow",
    "JobRun",
    "JobTotals",
    "LocalStore",
    "NoteFilter",
    "NotesBehind",
    "NotesPage",
    "ProjectQuery",
    "ProviderJobRef",
    "Queries",
    "Query",
    "QueryAndEdit",
    "RawStore",
    "RebuildReport",
    "RunActivity",
    "RunEditor",
    "RunQuery",
    "RunsPage",
    "Series",
    "StopRequestRow",
    "StopRequester",
    "StreamDamage",
    "StreamStore",
    "UnionSource",
    "VerifyReport",
    "View",
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
