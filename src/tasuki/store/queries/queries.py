"""All queries on the projection in one class."""

from tasuki.store.queries.content import ContentQueries
from tasuki.store.queries.history import HistoryQueries

__all__ = ["Queries"]


class Queries(HistoryQueries, ContentQueries):
    """All queries on one connection, to be used inside one read transaction."""
