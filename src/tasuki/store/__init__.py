"""The store: received streams, their projection into tables, and queries on the projection."""

from tasuki.database.sqlite import fetch_all, fetch_one, write_transaction
from tasuki.store.apply.event_writer import ALL_USERS, MAX_EVENTS
from tasuki.store.catch_up import CatchUpResult, catch_up, count_missing
from tasuki.store.database_location import locate_database_folder
from tasuki.store.edit_records import EditBuilder, build_deletion, build_update, compute_edit_time
from tasuki.store.folder_status import FolderStatus, StreamDamage
from tasuki.store.generations import Generations, connect_projection, generation_number
from tasuki.store.local_store import CatchUpFunction, LocalStore, RebuildReport, VirtualTable, open_folder_store
from tasuki.store.logical_dump import Dump, dump
from tasuki.store.protocols import ContentQuery, ProjectQuery, Query, QueryAndEdit, RunEditor, RunQuery, StopRequester, StreamStore
from tasuki.store.queries.alert_feed import AlertBatch, alerts_since
from tasuki.store.queries.attempts import AttemptOutcome, AttemptStart
from tasuki.store.queries.events import ChangeEvent, EventSpan, read_event_span, read_events_after
from tasuki.store.queries.files import FileContent
from tasuki.store.queries.history import HistoryPage
from tasuki.store.queries.jobs import DegradedProvider, JobFilter, JobQueries, JobRow, JobRun, JobTotals, ProviderJobRef
from tasuki.store.queries.notes import NoteCursor, NoteFilter, NotesPage
from tasuki.store.queries.queries import Queries
from tasuki.store.queries.run_activity import RunActivity, read_activity_since
from tasuki.store.queries.runs import RunCursor, RunsPage, StopRequestRow
from tasuki.store.queries.statements import BestRuns
from tasuki.store.queries.suggestions import suggest_names
from tasuki.store.queries.summaries import select_best_runs
from tasuki.store.raw_store import RAW_FILE, RawStore
from tasuki.store.series.downsample import ChartColumns, Grid, build_grid
from tasuki.store.series.points import Series
from tasuki.store.stale_read import read_stale
from tasuki.store.union_source import UnionSource, open_source
from tasuki.store.verify import IntegrityProblem, VerifyReport

__all__ = [
    "ALL_USERS",
    "MAX_EVENTS",
    "RAW_FILE",
    "AlertBatch",
    "AttemptOutcome",
    "AttemptStart",
    "BestRuns",
    "CatchUpFunction",
    "CatchUpResult",
    "ChangeEvent",
    "ChartColumns",
    "ContentQuery",
    "DegradedProvider",
    "Dump",
    "EditBuilder",
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
    "NoteCursor",
    "NoteFilter",
    "NotesPage",
    "ProjectQuery",
    "ProviderJobRef",
    "Queries",
    "Query",
    "QueryAndEdit",
    "RawStore",
    "RebuildReport",
    "RunActivity",
    "RunCursor",
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
    "VirtualTable",
    "alerts_since",
    "build_deletion",
    "build_grid",
    "build_update",
    "catch_up",
    "compute_edit_time",
    "connect_projection",
    "count_missing",
    "dump",
    "fetch_all",
    "fetch_one",
    "generation_number",
    "locate_database_folder",
    "open_folder_store",
    "open_source",
    "read_activity_since",
    "read_event_span",
    "read_events_after",
    "read_stale",
    "select_best_runs",
    "suggest_names",
    "write_transaction",
]
