"""Readers: threads that answer questions from the projection, which the projector has brought up to date before."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

import apsw

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import NotFound
from tasuki.journal import Source
from tasuki.server.workers.projector_supervisor import ProjectorSupervisor
from tasuki.settings import Settings
from tasuki.store import LocalStore, Queries, count_missing, event_span, generation_number

__all__ = ["ProjectionState", "QueryAnswer", "ReaderPool"]

T = TypeVar("T")
THREADS = 4
NOWHERE = -1
WAIT_SECONDS = 1.2
"""With the time that counting and answering take, an answer comes within 2 seconds."""


class ProjectionState(NamedTuple):
    """How far the projection has come: which generation, its last event, and what is missing."""

    generation: int
    sequence: int
    missing: int

    @property
    def tag(self) -> str:
        """Another one whenever an answer may be another one."""
        return f"{self.generation}-{self.sequence}-{self.missing}"


class QueryAnswer(NamedTuple, Generic[T]):
    """What a question was answered with, and as of when."""

    value: T
    reached: ProjectionState


class ThreadState(threading.local):
    """What a thread has for itself."""

    store: LocalStore | None = None
    complete: int | None = None
    """The generation of which the projector said that nothing is missing; None where nobody asks."""


class ReaderPool:
    """`ask` may be called from the event loop alone."""

    def __init__(self, settings: Settings, keeper: ProjectorSupervisor, *, threads: int = THREADS, clock: Clock = SYSTEM) -> None:
        self.settings = settings
        self.keeper = keeper
        self.clock = clock
        self.own = ThreadState()
        self.stores: list[LocalStore] = []
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="tasuki-reader")

    async def ask(self, question: Callable[[Queries, ProjectionState], T], after: tuple[str, int] | None = None) -> QueryAnswer[T]:
        """Wait until all that has been recorded is projected, at most 2 seconds; then answer within one read transaction."""
        deadline = self.clock.monotonic() + WAIT_SECONDS
        reached = await self.keeper.reached(self.keeper.ask(), deadline)
        late = 0 if after is None or await self.arrived(*after, deadline) else 1
        return await self.in_thread(self.answer, question, self.keeper.generation if reached else NOWHERE, late)

    async def arrived(self, writer: str, offset: int, deadline: float) -> bool:
        """Wait until that much of a stream is projected; False when the time is over."""
        while await self.in_thread(self.position, writer) < offset:
            if not await self.keeper.change(deadline):
                return False
        return True

    async def in_thread(self, action: Callable[..., T], *arguments: object) -> T:
        """Do it in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, action, *arguments)

    def close(self) -> None:
        """End the threads and close what they have opened."""
        self.pool.shutdown()
        for store in self.stores:
            store.close()

    # -- in a thread

    def answer(self, question: Callable[[Queries, ProjectionState], T], complete: int, late: int) -> QueryAnswer[T]:
        """Answer now. What is missing is counted only where the projector did not say that nothing is."""

        def answered(questions: Queries, generation: int) -> QueryAnswer[T]:
            reached = ProjectionState(generation, event_span(questions.db).last, max(self.store().missing, late))
            try:
                return QueryAnswer(question(questions, reached), reached)
            except NotFound as error:
                if not reached.missing:
                    raise
                raise NotFound(error.message, hint=f"{reached.missing:,} records are not in the answers yet: ask again") from error

        return self.peek(answered, complete)

    def peek(self, question: Callable[[Queries, int], T], complete: int | None = None) -> T:
        """Answer from what is projected, and from which generation that is."""
        self.own.complete = complete
        store = self.store()
        return store.ask(lambda questions: question(questions, generation_number(store.path)))

    def forget(self, project: str, run: str) -> None:
        """Drop what is projected of a run: its streams were purged."""
        self.store().forget(project, run)

    def position(self, writer: str) -> int:
        """How far a stream is projected."""
        return self.peek(lambda questions, _: questions.projected(writer))

    def store(self) -> LocalStore:
        """This thread's own store: it projects nothing."""
        if self.own.store is None:
            self.own.store = LocalStore(self.settings, arrive=self.missing)
            self.stores.append(self.own.store)
        return self.own.store

    def missing(self, db: apsw.Connection, source: Source) -> int:
        """How many records are not projected."""
        complete = self.own.complete
        return 0 if complete is None or complete == generation_number(self.store().path) else count_missing(db, source)
