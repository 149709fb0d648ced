"""Jobs in queues behind ssh: submitted here at any time, brought there and back by a sync with the host.

A job waits here as `pending` until a sync uploads it, all in one stream, and hands it to the agent over there. What the agent says
is observed like any provider's word. Another attempt of the agent's (a job that was lost) is another attempt here.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError, Conflict, NotFound, TasukiError
from tasuki.hpc.agent import Ticket
from tasuki.hpc.agent_report import Cursor
from tasuki.hpc.host import Site
from tasuki.hpc.job_package import Calculation, Wanted, calculation
from tasuki.hpc.remote_commands import Exchange
from tasuki.hpc.results import Fetched, Selection, fetch
from tasuki.hpc.transports.protocol import Told, Transport, quiet
from tasuki.hpc.transports.tar_stream import Outgoing
from tasuki.jobs.context import Desk
from tasuki.jobs.queue.observations import external_id, hpc_id, profile_of, site_of
from tasuki.jobs.queue.outputs import PROJECT, Outputs
from tasuki.jobs.queue.poll import HostLook
from tasuki.jobs.storage.file_lease import held
from tasuki.jobs.storage.requests import Request
from tasuki.jobs.submit import Submitting
from tasuki.journal import project_name
from tasuki.records import Job, JobCreated, JobStatus, Observation, apply_observation
from tasuki.settings import Settings
from tasuki.store import JobsWanted

__all__ = [
    "HPC", "QueueSync", "Queues", "Synced", "Terms", "hpc_id", "queues_of", "queues_read", "results_folder", "site_of",
    "timestamp",
]  # fmt: skip

HPC = "hpc"
RESERVED = frozenset({
    "chasqui", "folder", "host", "hpc_id", "inputs_sha256", "profile", "project", "restart", "scheduler_id", "script", "site",
    "ticket", "wanted",
})  # fmt: skip


class Synced(NamedTuple):
    """What a sync came to."""

    uploaded: int
    submitted: int
    completed: int
    failed: int
    timestamp: str
    errors: list[str]


class Memory(msgspec.Struct):
    """What is kept of a host between syncs."""

    first: int = 0
    offset: int = 0
    number: int = 0


class Terms(msgspec.Struct, frozen=True):
    """How a calculation is submitted beside what it asks of the queue: under which name, what is to be remembered, whether every
    input must be there, and in which project its run is recorded.
    """

    name: str | None = None
    metadata: dict[str, Any] = {}
    strict: bool = False
    project: str | None = None


class Queues:
    """All jobs in queues of one data folder."""

    def __init__(self, desk: Desk, files: Path | None = None) -> None:
        self.desk = desk
        self.submitting = Submitting(desk, files)

    async def submit(self, site: Site, folder: Path, wanted: Wanted, terms: Terms) -> tuple[Job, list[str]]:
        """Put a calculation on record, to be uploaded by the next sync; and what of its inputs is missing."""
        made = calculation(folder, wanted, strict=terms.strict)
        if reserved := RESERVED & terms.metadata.keys():
            raise ConfigError(f"{min(reserved)} is remembered of each job in a queue by itself", hint="--meta with another name")
        id = secrets.token_hex(6)
        said = {name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None and name != "env"}
        self.submitting.keep(id, Request(env=wanted.env or {}))  # which may be secret
        facts = {"site": site.name, "folder": str(made.folder.absolute()), "profile": made.profile.name, "wanted": said}
        project = project_name(terms.project or self.desk.settings.project or PROJECT)
        await self.desk.record(JobCreated(
            time=self.desk.clock.now_us(), job=id, provider=HPC, config_name=terms.name or made.folder.name,
            hardware_type=site.scheduler, command=[made.command], metadata=terms.metadata | facts | {"project": project},
        ))  # fmt: skip
        return await self.job(id), made.warnings

    async def job(self, id: str) -> Job:
        """One job, by its id or a unique beginning of it. NotFound for any other."""
        found: Job = (await self.desk.ask(lambda questions: questions.job(id))).job
        if found.provider != HPC:
            raise NotFound(f"job {id} is in no queue", hint="tasuki job list --on hpc")
        return found

    async def all(self, site: str | None = None) -> list[Job]:
        """Every job, the oldest first."""
        wanted = JobsWanted(provider=HPC)
        rows = await self.desk.ask(lambda questions: questions.page(wanted))
        return [row.job for row in rows if site in (None, site_of(row.job))]

    async def active(self, site: str) -> list[Job]:
        """Those of a host that are not over, the oldest first."""
        found = await self.desk.ask(lambda questions: questions.active(HPC))
        return sorted((job for job in found if site_of(job) == site), key=lambda job: (job.created, job.id))

    def plan(self, job: Job) -> Calculation:
        """A job's calculation, as its folder is now."""
        wanted = msgspec.convert(job.metadata.get("wanted") or {}, Wanted)
        if (request := self.submitting.request(job)) and request.env:
            wanted = msgspec.structs.replace(wanted, env=request.env)
        return calculation(Path(str(job.metadata["folder"])), wanted)


@asynccontextmanager
async def queues_of(settings: Settings, files: Path | None = None) -> AsyncIterator[Queues]:
    """The jobs of a data folder, for the block; `files`: another one, in which what they are to run is kept."""
    desk = Desk(settings)
    try:
        yield Queues(desk, files)
    finally:
        await desk.close()


@asynccontextmanager
async def queues_read(settings: Settings) -> AsyncIterator[Queues]:
    """The same, to be read only: nothing in the data folder changes, not even what is made of the journals."""
    with TemporaryDirectory(prefix="tasuki-") as folder:
        elsewhere = msgspec.structs.replace(settings, dir=Path(folder), journal=settings.journal_root)
        async with queues_of(elsewhere, settings.dir) as queues:
            yield queues


class QueueSync:
    """A sync with one host. `told` hears how far it is: with what, of how many bytes."""

    def __init__(self, queues: Queues, site: Site, transport: Transport, *, told: Told = quiet) -> None:
        self.queues = queues
        self.desk = queues.desk
        self.site = site
        self.transport = transport
        self.exchange = Exchange(site, transport)
        self.told = told
        self.outputs = Outputs(queues.desk.settings)
        self.memory_path = self.desk.settings.dir / HPC / f"{site.name}.json"
        self.errors: list[str] = []
        self.unsent = 0
        """Jobs that have failed before they could be sent."""

    async def once(self, *, download: bool = False) -> Synced:
        """Upload, hand over, read the news, fetch. Conflict while somebody else does so; after a RemoteError, just do it again."""
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
            return Synced(
                uploaded=len(sent),
                submitted=submitted,
                completed=sum(job.status is JobStatus.COMPLETED for job in over),
                failed=sum(job.status is JobStatus.FAILED for job in over) + self.unsent,
                timestamp=timestamp(self.desk.clock.now_us()),
                errors=self.errors,
            )

    async def look(self, memory: Memory) -> tuple[int, list[Job]]:
        """Record what the host says of each job; how many were submitted since, and which are over since."""
        active = await self.queues.active(self.site.name)
        looking = HostLook(self.exchange, self.outputs, Cursor(memory.first, memory.offset))
        try:
            seen = await looking.look(active)
        finally:
            await asyncio.to_thread(self.outputs.close)
        if looking.silence is not None:
            self.errors.append(f"the queue at {self.site.name} does not answer, so nothing is submitted there: {looking.silence}")
        await self.record(seen.values())
        memory.first, memory.offset = looking.cursor
        self.remember(memory)
        now = await self.desk.ask(lambda questions: questions.jobs([job.id for job in active]))
        return len(looking.submitted), [job for job in now.values() if job.status.is_final]

    async def upload(self, jobs: Sequence[Job], memory: Memory) -> list[tuple[Job, Ticket]]:
        """Send the inputs of all in one stream. A job whose folder is gone has failed, and the others go on."""
        sent: list[tuple[Job, Ticket]] = []
        files: list[Outgoing] = []
        seen: list[Observation] = []
        for job in jobs:
            try:
                made = without_restarted(self.queues.plan(job), job)
                inputs = made.inputs_hash()
            except (OSError, ConfigError, NotFound) as error:
                self.errors.append(f"job {job.id}: {error}")
                self.unsent += 1
                seen.append(self.seen(job, JobStatus.FAILED, error_message=str(error), ended=self.desk.clock.now_us()))
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

    def ticket(self, job: Job, memory: Memory) -> Ticket:
        """An attempt's ticket: the same one again, if it was made before."""
        attempt, number = job.metadata.get("ticket") or (0, 0)
        if attempt != job.attempt:
            memory.number += 1
            number = memory.number
        return Ticket(hpc_id(job), number, attempt=job.attempt, most_attempts=job.attempt + self.site.max_attempts - 1)

    def seen(self, job: Job, status: JobStatus, **facts: Any) -> Observation:
        """What is seen here of a job."""
        return Observation(time=0, job=job.id, attempt=job.attempt, source="sync", status=status, **facts)

    async def record(self, seen: Iterable[Observation]) -> None:
        """Record what is new of it, all at once."""
        found, now = list(seen), self.desk.clock.now_us()
        known = await self.desk.ask(lambda questions: questions.jobs([one.job for one in found]))
        news = [msgspec.structs.replace(one, time=now) for one in found if apply_observation(known[one.job], one)[1]]
        if news:
            await self.desk.record(*news)

    async def bring_home(self, job: Job) -> None:
        """Fetch results. What fails here can be had again by `fetch`."""
        try:
            await self.fetch(job)
        except (TasukiError, OSError) as error:
            self.errors.append(f"job {job.id}: its results could not be fetched: {error}")

    async def fetch(self, job: Job, selection: Selection | None = None) -> Fetched:
        """Bring results here, beside the inputs, and record what they say that was not heard while the job ran.

        Conflict for a job that has not begun.
        """
        if not job.status.is_final and job.status is not JobStatus.RUNNING:
            raise Conflict(f"job {job.id} is {job.status}: it has no results yet")
        target = results_folder(job)
        wanted = selection or Selection(profile_of(job).outputs)
        fetched = await fetch(self.transport, self.site, hpc_id(job), target, wanted, self.told)
        try:
            await asyncio.to_thread(self.outputs.fetched, job, target)
        finally:
            await asyncio.to_thread(self.outputs.close)
        return fetched

    # -- what is kept

    def memory(self) -> Memory:
        """What was kept of the host."""
        try:
            return msgspec.json.decode(self.memory_path.read_bytes(), type=Memory)
        except (FileNotFoundError, msgspec.DecodeError):
            return Memory()  # the log is read from its beginning: that changes nothing

    def remember(self, memory: Memory) -> None:
        """Keep it."""
        replace_file(self.memory_path, msgspec.json.encode(memory), durable=True)


def restarted(job: Job) -> dict[str, str]:
    """From which outputs of the attempt before this one begins, and as which inputs."""
    return dict(job.metadata.get("restart") or {}) if job.attempt > 1 else {}


def without_restarted(made: Calculation, job: Job) -> Calculation:
    """What is sent of a calculation: not what the attempt before has left in its place."""
    replaced = restarted(job).values()
    return made._replace(inputs={name: path for name, path in made.inputs.items() if name not in replaced})


def results_folder(job: Job) -> Path:
    """Where results come: beside the inputs."""
    return Path(str(job.metadata["folder"])) / "results"


def timestamp(us: int) -> str:
    """UTC, to the second."""
    return datetime_from_us(us).strftime("%Y-%m-%dT%H:%M:%SZ")
