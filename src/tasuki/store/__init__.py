"""The store: projections of journals, and the questions they answer."""

from tasuki.store.local import LocalStore, open_local
from tasuki.store.protocols import Query, Series, Source, Store, Stream

__all__ = ["LocalStore", "Query", "Series", "Source", "Store", "Stream", "open_local"]
