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
from tasuki.hpc.results import FetchResult, FileFilter, fetch
from tasuki.hpc.transports.protocol import HostTransport, Told, quiet
from tasuki.hpc.transports.tar_stream import TarFile
from tasuki.jobs.queue.observations import external_id, hpc_id, profile_of
from tasuki.jobs.queue.outputs import OutputRecorder
from tasuki.jobs.queue.poll import HostPoller
from tasuki.jobs.queue.queue import HPC, JobQueue, restarted, results_folder, timestamp, without_restarted
from tasuki.jobs.storage.file_lease import held
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

    def __init__(self, queues: JobQueue, site: Host, transport: HostTransport, *, told: Told = quiet) -> None:
        self.queues = queues
        self.context = queues.context
        self.site = site
        self.transport = transport
        self.exchange = RemoteCommands(site, transport)
        self.told = told
        self.outputs = OutputRecorder(queues.context.settings)
        self.memory_path = self.context.settings.dir / HPC / f"{site.name}.json"
        self.errors: list[str] = []
        self.unsent = 0
        """Jobs that have failed before they could be sent."""

    async def once(self, *, download: bool = False) -> HostSyncResult:
        """Upload, hand over, read the report, and fetch results.

        Raise Conflict while another process syncs with the host; after a RemoteError, call it again.
        """
        with held(self.memory_path.with_suffix(".lock")) as is_ours:
            if not is_ours:
                raise Conflict(f"somebody else syncs with {self.site.name} at this moment")
            await self.transport.open()  # without a login nothing is begun
            memory = self.memory()
            active = await self.queues.active(self.site.name)
            sent = await self.upload([job for job in active if job.status in (JobStatus.PENDING, JobStatus.UPLOADING)], memory)
            active = await self.queues.active(self.site.name)  # somebody may have cancelled one meanwhile
            going_on = {job.id for job in active}
            sent = [(job, ticket) for job, ticket in sent if job.id in going_on]
            await self.exchange.hand_over([ticket for _, ticket in sent], [hpc_id(job) for job in active if job.cancel_requested])
            await self.record(
                self.seen(
                    job, JobStatus.QUEUED, raw_status="UPLOADED", external_id=external_id(self.site.name, ticket.id, ticket.attempt)
                )
                for job, ticket in sent
            )
            submitted, over = await self.look(memory)
            for job in over if download else ():
                await self.bring_home(job)
            return HostSyncResult(
                uploaded=len(sent),
                submitted=submitted,
                completed=sum(job.status is JobStatus.COMPLETED for job in over),
                failed=sum(job.status is JobStatus.FAILED for job in over) + self.unsent,
                timestamp=timestamp(self.context.clock.now_us()),
                errors=self.errors,
            )

    async def look(self, memory: HostSyncState) -> tuple[int, list[Job]]:
        """Record the host's observations; return how many jobs were submitted, and which have ended."""
        active = await self.queues.active(self.site.name)
        looking = HostPoller(self.exchange, self.outputs, LogCursor(memory.first, memory.offset))
        try:
            seen = await looking.look(active)
        finally:
            await asyncio.to_thread(self.outputs.close)
        if looking.silence is not None:
            self.errors.append(f"the queue at {self.site.name} does not answer, so nothing is submitted there: {looking.silence}")
        await self.record(seen.values())
        memory.first, memory.offset = looking.cursor
        self.remember(memory)
        now = await self.context.ask(lambda queries: queries.jobs([job.id for job in active]))
        return len(looking.submitted), [job for job in now.values() if job.status.is_final]

    async def upload(self, jobs: Sequence[Job], memory: HostSyncState) -> list[tuple[Job, JobTicket]]:
        """Upload the inputs of all jobs in one stream. A job whose folder is gone fails; the others continue."""
        sent: list[tuple[Job, JobTicket]] = []
        files: list[TarFile] = []
        seen: list[Observation] = []
        for job in jobs:
            try:
                made = without_restarted(self.queues.plan(job), job)
                inputs = made.inputs_hash()
            except (OSError, ConfigError, NotFound) as error:
                self.errors.append(f"job {job.id}: {error}")
                self.unsent += 1
                seen.append(self.seen(job, JobStatus.FAILED, error_message=str(error), ended=self.context.clock.now_us()))
                continue
            ticket = self.ticket(job, memory)
            files += made.files(ticket.id, self.site.scheduler)
            sent.append((job, ticket))
            facts = {
                "inputs_sha256": inputs,
                "host": self.site.host,
                "script": made.scripts(ticket.id, self.site.scheduler)["job.sh"],
            }
            kept = {"ticket": [job.attempt, ticket.number]}
            seen.append(self.seen(job, JobStatus.UPLOADING, raw_status="UPLOADING", metadata=facts | kept))
        self.remember(memory)
        await self.record(seen)
        if files:
            await self.exchange.upload(files, self.told)
        for job, ticket in sent:
            if files_of := restarted(job):
                await self.exchange.place_restart(ticket.id, files_of, job.attempt)
        return sent

    def ticket(self, job: Job, memory: HostSyncState) -> JobTicket:
        """Return the ticket of an attempt; the same one if it was made before."""
        attempt, number = job.metadata.get("ticket") or (0, 0)
        if attempt != job.attempt:
            memory.number += 1
            number = memory.number
        return JobTicket(hpc_id(job), number, attempt=job.attempt, most_attempts=job.attempt + self.site.max_attempts - 1)

    def seen(self, job: Job, status: JobStatus, **facts: Any) -> Observation:
        """Build an observation made on this machine."""
        return Observation(time=0, job=job.id, attempt=job.attempt, source="sync", status=status, **facts)

    async def record(self, seen: Iterable[Observation]) -> None:
        """Record observations, all at once."""
        found, now = list(seen), self.context.clock.now_us()
        known = await self.context.ask(lambda queries: queries.jobs([one.job for one in found]))
        news = [msgspec.structs.replace(one, time=now) for one in found if apply_observation(known[one.job], one)[1]]
        if news:
            await self.context.record(*news)

    async def bring_home(self, job: Job) -> None:
        """Fetch results. After a failure, `fetch` can be called again."""
        try:
            await self.fetch(job)
        except (TasukiError, OSError) as error:
            self.errors.append(f"job {job.id}: its results could not be fetched: {error}")

    async def fetch(self, job: Job, selection: FileFilter | None = None) -> FetchResult:
        """Fetch results beside the inputs; record points in them that were not read while the job ran.

        Conflict for a job that has not begun.
        """
        if not job.status.is_final and job.status is not JobStatus.RUNNING:
            raise Conflict(f"job {job.id} is {job.status}: it has no results yet")
        target = results_folder(job)
        wanted = selection or FileFilter(profile_of(job).outputs)
        fetched = await fetch(self.transport, self.site, hpc_id(job), target, wanted, self.told)
        try:
            await asyncio.to_thread(self.outputs.fetched, job, target)
        finally:
            await asyncio.to_thread(self.outputs.close)
        return fetched

    # -- what is kept

    def memory(self) -> HostSyncState:
        """Read the host's state."""
        try:
            return msgspec.json.decode(self.memory_path.read_bytes(), type=HostSyncState)
        except (FileNotFoundError, msgspec.DecodeError):
            return HostSyncState()  # the log is read from its beginning: that changes nothing

    def remember(self, memory: HostSyncState) -> None:
        """Save the host's state."""
        replace_file(self.memory_path, msgspec.json.encode(memory), durable=True)
