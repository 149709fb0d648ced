"""The store: streams received, projections of them, and the questions those answer."""

from tasuki.store.audit import Problem, VerifyReport
from tasuki.store.catchup import Caught, catch_up, count_missing
from tasuki.store.columns import Columns, Grid, columns_of, grid
from tasuki.store.condition import Condition, Gap
from tasuki.store.dump import Dump, dump
from tasuki.store.events import KEPT_EVENTS, Event, EventSpan, event_span, events_after
from tasuki.store.generation import Generations, connect, generation_number
from tasuki.store.local import Arrival, LocalStore, RebuildReport, open_local
from tasuki.store.place import database_folder
from tasuki.store.points import Line
from tasuki.store.protocols import Query, Series, Store
from tasuki.store.questions import Behind, HistoryPage, Questions, RunsPage
from tasuki.store.raw import RAW_FILE, RawStore
from tasuki.store.source import UnionSource, open_source

__all__ = [
    "KEPT_EVENTS",
    "RAW_FILE",
    "Arrival",
    "Behind",
    "Caught",
    "Columns",
    "Condition",
    "Dump",
    "Event",
    "EventSpan",
    "Gap",
    "Generations",
    "Grid",
    "HistoryPage",
    "Line",
    "LocalStore",
    "Problem",
    "Query",
    "Questions",
    "RawStore",
    "RebuildReport",
    "RunsPage",
    "Series",
    "Store",
    "UnionSource",
    "VerifyReport",
    "catch_up",
    "columns_of",
    "connect",
    "count_missing",
    "database_folder",
    "dump",
    "event_span",
    "events_after",
    "generation_number",
    "grid",
    "open_local",
    "open_source",
]
