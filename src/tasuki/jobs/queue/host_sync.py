"""Synchronize a host's job queue: submit, observe, cancel, and download in one session."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError, Conflict, NotFound, TasukiError
from tasuki.hpc.agent import JobTicket
from tasuki.hpc.agent_report import LogCursor
from tasuki.hpc.host import Host
from tasuki.hpc.remote_commands import RemoteCommands
from tasuki.hpc.results import FetchResult, FileFilter, fetch_results
from tasuki.hpc.transports.protocol import HostTransport, ProgressCallback, ignore_progress
from tasuki.hpc.transports.tar_stream import TarFile
from tasuki.jobs.queue.observations import build_external_id, get_hpc_id, get_profile
from tasuki.jobs.queue.outputs import OutputRecorder
from tasuki.jobs.queue.poll import HostPoller
from tasuki.jobs.queue.queue import (
    HPC_PROVIDER,
    JobQueue,
    exclude_restart_files,
    format_timestamp,
    get_restart_files,
    get_results_folder,
)
from tasuki.jobs.storage.file_lease import try_lease
from tasuki.records import Job, JobStatus, Observation, apply_observation

__all__ = ["HostSync", "HostSyncResult"]


class HostSyncResult(NamedTuple):
    """Result of a sync with a host."""

    uploaded: int
    submitted: int
    completed: int
    failed: int
    timestamp: str
    errors: list[str]


class HostSyncState(msgspec.Struct):
    """State of a host that is kept between syncs."""

    first: int = 0
    offset: int = 0
    number: int = 0


class HostSync:
    """A sync with one host. `told` receives the progress: the step and the number of bytes."""

    def __init__(
        self, job_queue: JobQueue, host: Host, transport: HostTransport, *, on_progress: ProgressCallback = ignore_progress
    ) -> None:
        self.job_queue = job_queue
        self.context = job_queue.context
        self.host = host
        self.transport = transport
        self.commands = RemoteCommands(host, transport)
        self.on_progress = on_progress
        self.outputs = OutputRecorder(job_queue.context.settings)
        self.state_path = self.context.settings.dir / HPC_PROVIDER / f"{host.name}.json"
        self.errors: list[str] = []
        self.failed_before_upload = 0
        """Jobs that have failed before they could be sent."""

    async def run(self, *, download: bool = False) -> HostSyncResult:
        """Upload, hand over, read the report, and fetch results.

        Raise Conflict while another process syncs with the host; after a RemoteError, call it again.
        """
        with try_lease(self.state_path.with_suffix(".lock")) as is_ours:
            if not is_ours:
                raise Conflict(f"somebody else syncs with {self.host.name} at this moment")
            await self.transport.open()  # without a login nothing is begun
            memory = self.load_state()
            active = await self.job_queue.list_active(self.host.name)
            sent = await self.upload([job for job in active if job.status in (JobStatus.PENDING, JobStatus.UPLOADING)], memory)
            active = await self.job_queue.list_active(self.host.name)  # somebody may have cancelled one meanwhile
            going_on = {job.id for job in active}
            sent = [(job, ticket) for job, ticket in sent if job.id in going_on]
            await self.commands.deliver_tickets(
                [ticket for _, ticket in sent], [get_hpc_id(job) for job in active if job.cancel_requested]
            )
            await self.record_changes(
                self.build_observation(
                    job,
                    JobStatus.QUEUED,
                    raw_status="UPLOADED",
                    external_id=build_external_id(self.host.name, ticket.id, ticket.attempt),
                )
                for job, ticket in sent
            )
            submitted, over = await self.poll(memory)
            for job in over if download else ():
                await self.try_fetch(job)
            return HostSyncResult(
                uploaded=len(sent),
                submitted=submitted,
                completed=sum(job.status is JobStatus.COMPLETED for job in over),
                failed=sum(job.status is JobStatus.FAILED for job in over) + self.failed_before_upload,
                timestamp=format_timestamp(self.context.clock.now_us()),
                errors=self.errors,
            )

    async def poll(self, state: HostSyncState) -> tuple[int, list[Job]]:
        """Record the host's observations; return how many jobs were submitted, and which have ended."""
        active = await self.job_queue.list_active(self.host.name)
        looking = HostPoller(self.commands, self.outputs, LogCursor(state.first, state.offset))
        try:
            seen = await looking.poll(active)
        finally:
            await asyncio.to_thread(self.outputs.close)
        if looking.scheduler_error is not None:
            self.errors.append(
                f"the queue at {self.host.name} does not answer, so nothing is submitted there: {looking.scheduler_error}"
            )
        await self.record_changes(seen.values())
        state.first, state.offset = looking.cursor
        self.save_state(state)
        now = await self.context.run_query(lambda queries: queries.jobs([job.id for job in active]))
        return len(looking.submitted_ids), [job for job in now.values() if job.status.is_final]

    async def upload(self, jobs: Sequence[Job], state: HostSyncState) -> list[tuple[Job, JobTicket]]:
        """Upload the inputs of all jobs in one stream. A job whose folder is gone fails; the others continue."""
        sent: list[tuple[Job, JobTicket]] = []
        files: list[TarFile] = []
        seen: list[Observation] = []
        for job in jobs:
            try:
                made = exclude_restart_files(self.job_queue.load_package(job), job)
                inputs = made.compute_inputs_hash()
            except (OSError, ConfigError, NotFound) as error:
                self.errors.append(f"job {job.id}: {error}")
                self.failed_before_upload += 1
                seen.append(
                    self.build_observation(job, JobStatus.FAILED, error_message=str(error), ended=self.context.clock.now_us())
                )
                continue
            ticket = self.build_ticket(job, state)
            files += made.build_files(ticket.id, self.host.scheduler)
            sent.append((job, ticket))
            facts = {
                "inputs_sha256": inputs,
                "host": self.host.host,
                "script": made.build_scripts(ticket.id, self.host.scheduler)["job.sh"],
            }
            kept = {"ticket": [job.attempt, ticket.number]}
            seen.append(self.build_observation(job, JobStatus.UPLOADING, raw_status="UPLOADING", metadata=facts | kept))
        self.save_state(state)
        await self.record_changes(seen)
        if files:
            await self.commands.upload(files, self.on_progress)
        for job, ticket in sent:
            if files_of := get_restart_files(job):
                await self.commands.install_restart_files(ticket.id, files_of, job.attempt)
        return sent

    def build_ticket(self, job: Job, state: HostSyncState) -> JobTicket:
        """Return the ticket of an attempt; the same one if it was made before."""
        attempt, number = job.metadata.get("ticket") or (0, 0)
        if attempt != job.attempt:
            state.number += 1
            number = state.number
        return JobTicket(get_hpc_id(job), number, attempt=job.attempt, max_attempts=job.attempt + self.host.max_attempts - 1)

    def build_observation(self, job: Job, status: JobStatus, **fields: Any) -> Observation:
        """Build an observation made on this machine."""
        return Observation(time=0, job=job.id, attempt=job.attempt, source="sync", status=status, **fields)

    async def record_changes(self, observations: Iterable[Observation]) -> None:
        """Record observations, all at once."""
        found, now = list(observations), self.context.clock.now_us()
        known = await self.context.run_query(lambda queries: queries.jobs([one.job for one in found]))
        news = [msgspec.structs.replace(one, time=now) for one in found if apply_observation(known[one.job], one)[1]]
        if news:
            await self.context.record(*news)

    async def try_fetch(self, job: Job) -> None:
        """Fetch results. After a failure, `fetch` can be called again."""
        try:
            await self.fetch(job)
        except (TasukiError, OSError) as error:
            self.errors.append(f"job {job.id}: its results could not be fetched: {error}")

    async def fetch(self, job: Job, file_filter: FileFilter | None = None) -> FetchResult:
        """Fetch results beside the inputs; record points in them that were not read while the job ran.

        Conflict for a job that has not begun.
        """
        if not job.status.is_final and job.status is not JobStatus.RUNNING:
            raise Conflict(f"job {job.id} is {job.status}: it has no results yet")
        target = get_results_folder(job)
        wanted = file_filter or FileFilter(get_profile(job).fetch_patterns)
        fetched = await fetch_results(self.transport, self.host, get_hpc_id(job), target, wanted, self.on_progress)
        try:
            await asyncio.to_thread(self.outputs.record_results, job, target)
        finally:
            await asyncio.to_thread(self.outputs.close)
        return fetched

    # -- what is kept

    def load_state(self) -> HostSyncState:
        """Read the host's state."""
        try:
            return msgspec.json.decode(self.state_path.read_bytes(), type=HostSyncState)
        except (FileNotFoundError, msgspec.DecodeError):
            return HostSyncState()  # the log is read from its beginning: that changes nothing

    def save_state(self, state: HostSyncState) -> None:
        """Save the host's state."""
        replace_file(self.state_path, msgspec.json.encode(state), durable=True)
