"""Reader pool: threads that run queries on the projection after the projector has caught up."""

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
    """State of the projection: generation, number of the last event, and count of unprojected records."""

    generation: int
    sequence: int
    missing: int

    @property
    def tag(self) -> str:
        """Return a tag that differs whenever the result of a query may differ."""
        return f"{self.generation}-{self.sequence}-{self.missing}"


class QueryAnswer(NamedTuple, Generic[T]):
    """Result of a query, and the state of the projection that it was computed from."""

    value: T
    state: ProjectionState


class ThreadState(threading.local):
    """State of one reader thread."""

    store: LocalStore | None = None
    complete_generation: int | None = None
    """The generation of which the projector said that nothing is missing; None where nobody asks."""


class ReaderPool:
    """Threads with a read-only store each. Call `run_query` from the event loop only.

    `threads`: default 4.
    """

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
        """Wait until all records are projected, at most 2 s; then run the query in one read transaction.

        `after`: a writer and an offset; wait until that much of the writer's stream is projected, too.
        """
        deadline = self.clock.monotonic() + WAIT_SECONDS
        reached = await self.supervisor.wait_answered(self.supervisor.request_round(), deadline)
        late = 0 if after is None or await self.wait_projected(*after, deadline) else 1
        return await self.run_in_thread(
            self.answer_with_state, query, self.supervisor.generation if reached else NO_GENERATION, late
        )

    async def wait_projected(self, writer: str, offset: int, deadline: float) -> bool:
        """Wait until a stream is projected up to an offset. Return False at `deadline` (monotonic seconds)."""
        while await self.run_in_thread(self.find_projected_offset, writer) < offset:
            if not await self.supervisor.wait_for_change(deadline):
                return False
        return True

    async def run_in_thread(self, action: Callable[..., T], *arguments: object) -> T:
        """Run an action in one of the reader threads."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, action, *arguments)

    def close(self) -> None:
        """End the threads and close their stores."""
        self.pool.shutdown()
        for store in self.stores:
            store.close()

    # -- in a thread

    def answer_with_state(
        self, query: Callable[[Queries, ProjectionState], T], complete_generation: int, late: int
    ) -> QueryAnswer[T]:
        """Run the query now, with the state of the projection.

        Counting missing records scans the streams: do so only unless the projector has reported this generation complete.
        """

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
        """Run a query on the projection as it is; `query` receives the queries and the generation number."""
        self.thread_state.complete_generation = complete_generation
        store = self.get_store()
        return store.run_query(lambda queries: query(queries, generation_number(store.path)))

    def forget(self, project: str, run: str) -> None:
        """Delete a run, whose streams were purged, from the projection."""
        self.get_store().forget_run(project, run)

    def find_projected_offset(self, writer: str) -> int:
        """Return the offset up to which a stream is projected."""
        return self.run_query_now(lambda queries, _: queries.projected_bytes(writer))

    def get_store(self) -> LocalStore:
        """Return the store of this thread, opened on first use. It never writes the projection."""
        if self.thread_state.store is None:
            self.thread_state.store = LocalStore(self.settings, ensure_caught_up=self.count_missing_records)
            self.stores.append(self.thread_state.store)
        return self.thread_state.store

    def count_missing_records(self, db: apsw.Connection, source: Source) -> int:
        """Return the number of records that are not projected yet."""
        complete = self.thread_state.complete_generation
        return 0 if complete is None or complete == generation_number(self.get_store().path) else count_missing(db, source)
