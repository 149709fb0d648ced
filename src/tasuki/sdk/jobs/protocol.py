"""Queries and actions on jobs, the same for a data folder and a server."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import RemoteUnavailable
from tasuki.jobs import JobList, JobMetrics, JobType, JobView, Submission, SyncReport

__all__ = ["JobAction", "JobsApi", "ListOptions", "wait_for_job"]

POLL_SECONDS = 0.5
REFRESH_SECONDS = 10.0
MAX_OUTAGE_SECONDS = 60.0


class JobAction(StrEnum):
    """An action on an existing job."""

    CANCEL = "cancel"
    DELETE = "delete"


class ListOptions(NamedTuple):
    """Options of a job list: states, provider, and the newest `limit`.

    `refresh`: refresh active jobs first.
    """

    statuses: tuple[str, ...] = ()
    provider: str | None = None
    limit: int | None = None
    refresh: bool = False


class JobsApi(Protocol):
    """Jobs of a folder or server.

    Raise NotFound for an unknown job, Conflict if its state forbids an action.
    """

    def list(self, options: ListOptions) -> JobList:
        """Some jobs, the newest first, and how many there are that match."""
        ...

    def get(self, id: str, *, refresh: bool = False) -> JobView:
        """One job, by its id or a unique beginning of it; with `look` its provider is asked first."""
        ...

    def submit(self, submission: Submission) -> JobView:
        """Start a job. With a key, the second submission is answered with the job of the first."""
        ...

    def perform(self, id: str, action: JobAction) -> JobView:
        """Do something with a job; it as it is then."""
        ...

    def retry(self, id: str, restart: str | None = None) -> JobView:
        """Try a job again that is over: from its inputs, or, in a queue, from an output of the last attempt."""
        ...

    def iter_log_lines(self, id: str, *, follow: bool = False) -> Iterator[str]:
        """Yield log lines; with `follow`, until the job ends."""
        ...

    def metrics(self) -> JobMetrics:
        """Counts by status, and costs."""
        ...

    def sync(self, provider: str | None = None) -> SyncReport:
        """Look for jobs at all providers, or at one."""
        ...


def wait_for_job(jobs: JobsApi, id: str, timeout: timedelta | None = None, *, clock: Clock = SYSTEM_CLOCK) -> JobView:
    """Wait until a job is over, no longer than a while; the job as it is then.

    Its provider is asked every 10 s. A server that has answered once may be away for a minute.
    """
    job = jobs.get(id)
    began = looked = answered = clock.monotonic()
    while job.is_active:
        now = clock.monotonic()
        if timeout is not None and now - began >= timeout.total_seconds():
            break
        left = POLL_SECONDS if timeout is None else min(POLL_SECONDS, began + timeout.total_seconds() - now)
        clock.sleep(max(left, 0.01))
        look = job.job_type is JobType.CLOUD and now - looked >= REFRESH_SECONDS
        looked = now if look else looked
        try:
            job = jobs.get(job.job_id, refresh=look)
            answered = clock.monotonic()
        except RemoteUnavailable:
            if clock.monotonic() - answered > MAX_OUTAGE_SECONDS:
                raise
    return job
