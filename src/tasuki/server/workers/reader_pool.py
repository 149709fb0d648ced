"""Pool of reader threads: answer queries from the projection once the projector has caught up."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import NotFound
from tasuki.journal import Source
from tasuki.server.workers.projector_supervisor import ProjectorSupervisor
from tasuki.settings import Settings
from tasuki.store import LocalStore, Queries, count_missing, generation_number, read_event_span

__all__ = ["ProjectionState", "QueryAnswer", "ReaderPool"]

T = TypeVar("T")
THREADS = 4
NO_GENERATION = -1
WAIT_SECONDS = 1.2
"""With the time that counting and answering take, an answer comes within 2 seconds."""


class ProjectionState(NamedTuple):
    """State of the projection: generation, last event, and number of missing records."""

    generation: int
    sequence: int
    missing: int

    @property
    def tag(self) -> str:
        """Another one whenever an answer may be another one."""
        return f"{self.generation}-{self.sequence}-{self.missing}"


class QueryAnswer(NamedTuple, Generic[T]):
    """Result of a query, and the state of the projection that it is based on."""

    value: T
    state: ProjectionState


class ThreadState(threading.local):
    """Resources of one thread."""

    store: LocalStore | None = None
    complete_generation: int | None = None
    """The generation of which the projector said that nothing is missing; None where nobody asks."""


class ReaderPool:
    """`ask` may be called from the event loop alone."""

    def __init__(
        self, settings: Settings, supervisor: ProjectorSupervisor, *, threads: int = THREADS, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self.clock = clock
        self.thread_state = ThreadState()
        self.stores: list[LocalStore] = []
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="tasuki-reader")

    async def run_query(
        self, query: Callable[[Queries, ProjectionState], T], after: tuple[str, int] | None = None
    ) -> QueryAnswer[T]:
        """Wait until all records are projected (at most 2 s), then answer in one read transaction."""
        deadline = self.clock.monotonic() + WAIT_SECONDS
        reached = await self.supervisor.wait_answered(self.supervisor.request_round(), deadline)
        late = 0 if after is None or await self.wait_projected(*after, deadline) else 1
        return await self.run_in_thread(
            self.answer_with_state, query, self.supervisor.generation if reached else NO_GENERATION, late
        )

    async def wait_projected(self, writer: str, offset: int, deadline: float) -> bool:
        """Wait until that much of a stream is projected; False when the time is over."""
        while await self.run_in_thread(self.find_projected_offset, writer) < offset:
            if not await self.supervisor.wait_for_change(deadline):
                return False
        return True

    async def run_in_thread(self, action: Callable[..., T], *arguments: object) -> T:
        """Do it in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, action, *arguments)

    def close(self) -> None:
        """End the threads and close what they have opened."""
        self.pool.shutdown()
        for store in self.stores:
            store.close()

    # -- in a thread

    def answer_with_state(
        self, query: Callable[[Queries, ProjectionState], T], complete_generation: int, late: int
    ) -> QueryAnswer[T]:
        """Answer now. What is missing is counted only where the projector did not say that nothing is."""

        def run(queries: Queries, generation: int) -> QueryAnswer[T]:
            reached = ProjectionState(generation, read_event_span(queries.db).last, max(self.get_store().missing, late))
            try:
                return QueryAnswer(query(queries, reached), reached)
            except NotFound as error:
                if not reached.missing:
                    raise
                raise NotFound(error.message, hint=f"{reached.missing:,} records are not in the answers yet: ask again") from error

        return self.run_query_now(run, complete_generation)

    def run_query_now(self, query: Callable[[Queries, int], T], complete_generation: int | None = None) -> T:
        """Answer from what is projected, and from which generation that is."""
        self.thread_state.complete_generation = complete_generation
        store = self.get_store()
        return store.run_query(lambda queries: query(queries, generation_number(store.path)))

    def forget(self, project: str, run: str) -> None:
        """Drop what is projected of a run: its streams were purged."""
        self.get_store().forget_run(project, run)

    def find_projected_offset(self, writer: str) -> int:
        """Return the projected offset of a stream."""
        return self.run_query_now(lambda queries, _: queries.projected_bytes(writer))

    def get_store(self) -> LocalStore:
        """This thread's own store: it projects nothing."""
        if self.thread_state.store is None:
            self.thread_state.store = LocalStore(self.settings, ensure_caught_up=self.count_missing_records)
            self.stores.append(self.thread_state.store)
        return self.thread_state.store

    def count_missing_records(self, db: apsw.Connection, source: Source) -> int:
        """Count the records that are not projected."""
        complete = self.thread_state.complete_generation
        return 0 if complete is None or complete == generation_number(self.get_store().path) else count_missing(db, source)
