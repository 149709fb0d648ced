"""Background tasks of the server: poll providers, start queued jobs, resume interrupted submissions.

One process per data folder does it, whoever holds the lease: a record lock, which ends with its process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tasuki.errors import TasukiError
from tasuki.failpoints import hit_failpoint
from tasuki.jobs.providers.config_file import ProviderConfigFile
from tasuki.jobs.service import Jobs
from tasuki.jobs.storage.file_lease import Lease
from tasuki.records import Job, JobStatus
from tasuki.settings import Settings, load
from tasuki.store import locate_database_folder

__all__ = ["TaskManager", "get_polling_seconds", "get_task_manager", "start_background_tasks", "stop_background_tasks"]

LEASE_FILE = "jobs.lock"
LOCAL_POLL_SECONDS = 1.0
ERROR_PAUSE_SECONDS = 5.0
DISABLED_RECHECK_SECONDS = 5.0
RECENT_JOB_US = 600_000_000
OLD_JOB_US = 3_600_000_000
log = logging.getLogger("tasuki.jobs")


class TaskManager:
    """The tasks of one data folder, in one event loop. Starting or stopping twice changes nothing."""

    def __init__(self, settings: Settings, jobs: Jobs | None = None) -> None:
        self.settings = settings
        self.external_jobs = jobs
        self.jobs = jobs
        self.lease = Lease(locate_database_folder(settings.dir) / LEASE_FILE)
        self.tasks: list[asyncio.Task[None]] = []
        self.poll_count = 0

    @property
    def running(self) -> bool:
        """Return whether the tasks run."""
        return bool(self.tasks)

    @property
    def _running(self) -> bool:
        """Return whether the tasks run (the name that SimpleTuner uses)."""
        return self.running

    async def start(self) -> None:
        """Start the tasks."""
        if self.running:
            return
        self.jobs = self.external_jobs or Jobs(self.settings)
        every = get_polling_seconds(self.settings)
        log.info("job status polling: %s", "off" if every is None else f"every {every:g} s")
        if not self.settings.background.queue_processing.enabled:
            log.info("queue processing: off")
        steps = [
            (self.poll_local, self.wait_for_local_poll),
            (self.process_queue, self.wait_for_capacity),
            (self.poll, self.wait_for_poll),
        ]
        self.tasks = [asyncio.create_task(self.run_loop(step, pause)) for step, pause in steps]

    async def stop(self) -> None:
        """Stop the tasks, and wait until their current steps have ended."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        self.lease.release()
        if self.external_jobs is None and self.jobs is not None:
            await self.jobs.close()
            self.jobs = None

    @property
    def jobs_service(self) -> Jobs:
        """Return the jobs that the tasks work on."""
        assert self.jobs is not None
        return self.jobs

    async def run_loop(self, step: Callable[[], Awaitable[object]], wait: Callable[[], Awaitable[object]]) -> None:
        """Repeat a step with a pause, while this process holds the lease."""
        while True:
            try:
                if self.lease.acquire():
                    await step()
            except TasukiError as error:
                log.warning("jobs: %s", error)
                await asyncio.sleep(ERROR_PAUSE_SECONDS)
            except Exception:  # the top of a task: it is said, and it goes on
                log.exception("jobs: a background task failed")
                await asyncio.sleep(ERROR_PAUSE_SECONDS)
            await wait()

    # -- what is done

    async def poll(self) -> None:
        """Do one polling round: refresh active jobs; long-queued ones only in some rounds."""
        if get_polling_seconds(self.settings) is None:
            return
        self.poll_count += 1
        hit_failpoint("jobs.poll")
        done = await self.jobs_service.refresh("poller", is_due=self.is_due)
        for error in done.errors:
            log.warning("jobs: %s", error)

    async def wait_for_poll(self) -> None:
        """Wait for the next round. The interval may change: a webhook can be set up at any time."""
        await asyncio.sleep(get_polling_seconds(self.settings) or DISABLED_RECHECK_SECONDS)

    def is_due(self, job: Job) -> bool:
        """Return whether a job is refreshed in this round; in the first round, every job is."""
        age = self.jobs_service.clock.now_us() - job.created
        every = (
            1 if job.status is JobStatus.RUNNING or job.cancel_requested or age < RECENT_JOB_US else 2 if age < OLD_JOB_US else 4
        )
        return self.poll_count == 1 or self.poll_count % every == 0

    async def poll_local(self) -> None:
        """Refresh the jobs of this machine, and maintain the journal."""
        await self.jobs_service.refresh_local_jobs()
        await self.jobs_service.context.run_in_thread(lambda: self.jobs_service.context.open_journal().maintain())

    async def wait_for_local_poll(self) -> None:
        """Wait for the next refresh of this machine's jobs."""
        await asyncio.sleep(LOCAL_POLL_SECONDS)

    async def process_queue(self) -> None:
        """Start queued jobs, and resume interrupted submissions."""
        if self.settings.background.queue_processing.enabled:
            await self.jobs_service.start_queued_jobs()
        await self.jobs_service.recover()

    async def wait_for_capacity(self) -> None:
        """Wait until the next check is due, or a job has changed: it may have freed capacity."""
        freed = self.jobs_service.context.capacity_freed
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.background.queue_processing.interval_seconds):
                await freed.wait()
        freed.clear()


def get_polling_seconds(settings: Settings) -> float | None:
    """Return the polling interval in seconds; None: never. Longer where providers send webhooks."""
    polling = settings.background.job_status_polling
    if polling.enabled is False:
        return None
    has_webhook = settings.providers.replicate.webhook_url or ProviderConfigFile(settings.dir).get("replicate").get("webhook_url")
    if polling.enabled or not has_webhook:
        return polling.interval_seconds
    return polling.reconcile_seconds or None


manager: TaskManager | None = None


def get_task_manager() -> TaskManager:
    """Return the tasks of the settings' data folder in this process."""
    global manager
    if manager is None:
        manager = TaskManager(load())
    return manager


async def start_background_tasks() -> TaskManager:
    """Start the tasks; a repeated call changes nothing. A server does this by itself."""
    found = get_task_manager()
    await found.start()
    return found


async def stop_background_tasks() -> None:
    """Stop the tasks; a repeated call changes nothing."""
    global manager
    found, manager = manager, None
    if found is not None:
        await found.stop()
