"""Interface through which job operations use the job journal of a data folder."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from tasuki.clock import Clock
from tasuki.jobs.storage.job_journal import JobJournal
from tasuki.records import JobRecord
from tasuki.store import JobQueries

__all__ = ["JournalAccess"]

T = TypeVar("T")


class JournalAccess(Protocol):
    """Access to the job journal from an event loop; one thread owns the journal."""

    @property
    def clock(self) -> Clock:
        """The clock that dates records."""
        ...

    async def run_in_thread(self, action: Callable[..., T], *arguments: object) -> T:
        """Run a function in the thread that owns the journal."""
        ...

    def open_journal(self) -> JobJournal:
        """Return the journal, opened on first use. Call it in the journal's thread only."""
        ...

    async def run_query(self, query: Callable[[JobQueries], T]) -> T:
        """Answer a query from every record written so far."""
        ...

    async def record(self, *records: JobRecord) -> None:
        """Write records to disk, then notify listeners."""
        ...

    async def notify(self) -> None:
        """Tell listeners, and submissions that wait for capacity, that jobs have changed."""
        ...
