"""The store: streams received, projections of them, and the questions those answer."""

from tasuki.store.audit import Problem, VerifyReport
from tasuki.store.catchup import Caught, catch_up
from tasuki.store.condition import Condition, Gap
from tasuki.store.dump import Dump, dump
from tasuki.store.generation import connect
from tasuki.store.local import LocalStore, RebuildReport, open_local, open_query
from tasuki.store.protocols import Query, Series, Store
from tasuki.store.raw import RAW_FILE, RawStore
from tasuki.store.source import UnionSource, open_source

__all__ = [
    "RAW_FILE",
    "Caught",
    "Condition",
    "Dump",
    "Gap",
    "LocalStore",
    "Problem",
    "Query",
    "RawStore",
    "RebuildReport",
    "Series",
    "Store",
    "UnionSource",
    "VerifyReport",
    "catch_up",
    "connect",
    "dump",
    "open_local",
    "open_query",
    "open_source",
]
