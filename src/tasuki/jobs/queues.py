"""Jobs in queues behind ssh: submitted here at any time, brought there and back by a sync with the host.

A job waits here as `pending` until a sync uploads it, all in one stream, and hands it to the agent over there. What the agent says
is observed like any provider's word. Another attempt of the agent's (a job that was lost) is another attempt here.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError, Conflict, NotFound, RemoteError
from tasuki.files import replace_file
from tasuki.hpc.agent import Ticket
from tasuki.hpc.calculation import Calculation, Wanted, calculation
from tasuki.hpc.exchange import Exchange
from tasuki.hpc.profiles import PROFILES
from tasuki.hpc.report import Cursor, Event, Report
from tasuki.hpc.results import Fetched, Selection, fetch
from tasuki.hpc.site import Site
from tasuki.hpc.transport import Transport
from tasuki.jobs.desk import Desk
from tasuki.jobs.queue_runs import record_run
from tasuki.jobs.queue_seen import external_id, hpc_id, observed, site_of
from tasuki.journal import take_lock
from tasuki.records import Job, JobCreated, JobStatus, Observation
from tasuki.store import JobsWanted

__all__ = ["HPC", "QueueSync", "Queues", "Synced", "hpc_id", "results_folder", "site_of", "timestamp"]

HPC = "hpc"
MOST_JOBS = 100_000
SMALL_BYTES = 64 << 20
"""Larger outputs are fetched, and not read for metrics."""


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


class Queues:
    """All jobs in queues of one data folder."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def submit(self, site: Site, folder: Path, wanted: Wanted, *, strict: bool = False) -> tuple[Job, list[str]]:
        """Put a calculation on record, to be uploaded by the next sync; and what of its inputs is missing."""
        made = calculation(folder, wanted, strict=strict)
        id = secrets.token_hex(6)
        said = {name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None}
        await self.desk.record(JobCreated(
            time=self.desk.clock.now_us(), job=id, provider=HPC, config_name=made.folder.name,
            hardware_type=site.scheduler, command=[made.command],
            metadata={"site": site.name, "folder": str(made.folder.absolute()), "profile": made.profile.name, "wanted": said},
        ))  # fmt: skip
        return await self.job(id), made.warnings

    async def job(self, id: str) -> Job:
        """One job, by its id or a unique beginning of it. NotFound for any other."""
        found = [job for job in await self.all() if job.id.startswith(id)]
        if len(found) != 1:
            raise NotFound(f"there {'is no job' if not found else 'are several jobs'} {id!r}", hint="tasuki hpc jobs")
        return found[0]

    async def all(self, site: str | None = None) -> list[Job]:
        """Every job, the oldest first."""
        wanted = JobsWanted(provider=HPC)
        rows = await self.desk.ask(lambda questions: questions.page(wanted, limit=MOST_JOBS, offset=0, newest_first=False))
        return [row.job for row in rows if site in (None, site_of(row.job))]

    async def cancel(self, job: Job) -> Job:
        """Ask for its end; one that was not uploaded ends here. Conflict for one that is over."""
        if job.status.is_final:
            raise Conflict(f"job {job.id} is {job.status}")
        if job.status is JobStatus.PENDING:
            return await self.desk.observe(
                job, "cancel", JobStatus.CANCELLED, raw_status="CANCELLED", ended=self.desk.clock.now_us()
            )
        return await self.desk.observe(job, "cancel", cancel_requested=True)

    async def retry(self, job: Job, restart: str | None = None) -> Job:
        """A new attempt, from the inputs or from an output of the last one. Conflict for a job that is not over."""
        if job.status.is_active:
            raise Conflict(f"job {job.id} is {job.status}", hint="cancel it first")
        restarts = PROFILES[str(job.metadata.get("profile"))].restarts
        if restart is not None and restart not in restarts:
            raise ConfigError(
                f"job {job.id} can't begin from {restart}", hint=f"there is {', '.join(restarts) or 'nothing to begin from'}"
            )
        files = {} if restart is None else {restart: restarts[restart]}
        again = Observation(
            time=self.desk.clock.now_us(), job=job.id, attempt=job.attempt + 1, source="retry", status=JobStatus.PENDING,
            metadata={"restart": files},
        )  # fmt: skip
        await self.desk.record(again)
        return await self.job(job.id)

    def plan(self, job: Job) -> Calculation:
        """A job's calculation, as its folder is now."""
        wanted = msgspec.convert(job.metadata.get("wanted") or {}, Wanted)
        return calculation(Path(str(job.metadata["folder"])), wanted)


class QueueSync:
    """A sync with one host."""

    def __init__(self, queues: Queues, site: Site, transport: Transport) -> None:
        self.queues = queues
        self.desk = queues.desk
        self.site = site
        self.transport = transport
        self.exchange = Exchange(site, transport)
        self.memory_path = self.desk.settings.dir / HPC / f"{site.name}.json"
        self.errors: list[str] = []

    async def once(self, *, download: bool = False, project: str | None = None) -> Synced:
        """Upload, hand over, read the news, fetch. Conflict while somebody else does so; after a RemoteError, just do it again."""
        with self.held():
            memory = self.memory()
            active = [job for job in await self.queues.all(self.site.name) if job.status.is_active]
            sent = await self.upload([job for job in active if job.status in (JobStatus.PENDING, JobStatus.UPLOADING)], memory)
            await self.exchange.hand_over([ticket for _, ticket in sent], [hpc_id(job) for job in active if job.cancel_requested])
            for job, ticket in sent:
                name = external_id(self.site.name, ticket.id, ticket.attempt)
                await self.desk.observe(job, "sync", JobStatus.QUEUED, raw_status="UPLOADED", external_id=name)
            report = await self.exchange.report(Cursor(memory.first, memory.offset))
            over = await self.take(report)
            memory.first, memory.offset = report.cursor
            self.remember(memory)
            for job in over:
                await self.bring_home(job, download=download, project=project)
            submitted = {event.job for event in report.events if event.kind == "SUBMITTED"}
            return Synced(
                uploaded=len(sent),
                submitted=len(submitted),
                completed=sum(job.status is JobStatus.COMPLETED for job in over),
                failed=sum(job.status is JobStatus.FAILED for job in over),
                timestamp=timestamp(self.desk.clock.now_us()),
                errors=self.errors,
            )

    async def upload(self, jobs: Sequence[Job], memory: Memory) -> list[tuple[Job, Ticket]]:
        """Send the inputs of all in one stream. A job whose folder is gone has failed, and the others go on."""
        sent, files = [], []
        for job in jobs:
            try:
                made = self.queues.plan(job)
                restart = job.metadata.get("restart") or {}
                if restart and job.attempt > 1:
                    inputs = made._replace(
                        inputs={name: path for name, path in made.inputs.items() if name not in restart.values()}
                    )
                    files += inputs.files(hpc_id(job), self.site.scheduler)
                else:
                    files += made.files(hpc_id(job), self.site.scheduler)
            except (OSError, ConfigError, NotFound) as error:
                self.errors.append(f"job {job.id}: {error}")
                await self.desk.observe(job, "sync", JobStatus.FAILED, error_message=str(error), ended=self.desk.clock.now_us())
                continue
            memory.number += 1
            script = made.scripts(hpc_id(job), self.site.scheduler)["job.sh"]
            most = job.attempt + self.site.max_attempts - 1
            sent.append((job, Ticket(hpc_id(job), memory.number, attempt=job.attempt, most_attempts=most)))
            await self.desk.observe(
                job, "sync", JobStatus.UPLOADING, raw_status="UPLOADING",
                metadata={"inputs_sha256": made.inputs_hash(), "host": self.site.host, "script": script},
            )  # fmt: skip
        self.remember(memory)  # a number is used once
        if files:
            await self.exchange.upload(files)
        for job, ticket in sent:
            if job.attempt > 1 and job.metadata.get("restart"):
                await self.exchange.place_restart(ticket.id, job.metadata["restart"], job.attempt)
        return sent

    async def take(self, report: Report) -> list[Job]:
        """Record what the report says of each job; returns those that are over since."""
        over = []
        events: dict[str, list[Event]] = {}
        for event in report.events:
            if event.job:
                events.setdefault(event.job, []).append(event)
        for job in await self.queues.all(self.site.name):
            if job.status.is_final:
                continue
            for seen in observed(job, self.site.name, hpc_id(job), report, events.get(hpc_id(job), [])):
                await self.desk.record(msgspec.structs.replace(seen, time=self.desk.clock.now_us()))
            now = await self.queues.job(job.id)
            if now.status.is_final:
                over.append(now)
        return over

    async def bring_home(self, job: Job, *, download: bool, project: str | None) -> None:
        """Fetch results, if wanted, and record the run that they tell of. What fails here can be had again by `fetch`."""
        if not download:
            return
        try:
            await self.fetch(job, project=project)
        except (RemoteError, OSError) as error:
            self.errors.append(f"job {job.id}: its results could not be fetched: {error}")

    async def fetch(self, job: Job, selection: Selection | None = None, *, project: str | None = None) -> Fetched:
        """Bring results here, beside the inputs, and record the run that they tell of, once."""
        profile = PROFILES[str(job.metadata.get("profile"))]
        target = results_folder(job)
        fetched = await fetch(self.transport, self.site, hpc_id(job), target, selection or Selection(profile.outputs))
        texts = {
            path.name: path.read_text(errors="replace")
            for path in target.iterdir()
            if path.is_file() and path.stat().st_size <= SMALL_BYTES and Selection(profile.reads).wants_name(path.name)
        }
        if texts:
            record_run(self.desk.settings, job, profile.read(texts), project or "hpc")
        if (stdout := target / "stdout.txt").is_file():
            self.desk.logs.keep(job.id, job.attempt, stdout.read_text(errors="replace"))
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

    @contextmanager
    def held(self) -> Iterator[None]:
        """For the block, nobody else of this folder syncs with this host."""
        path = self.memory_path.with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = take_lock(path)
        if descriptor is None:
            raise Conflict(f"somebody else syncs with {self.site.name} at this moment")
        try:
            yield
        finally:
            os.close(descriptor)


def results_folder(job: Job) -> Path:
    """Where results come: beside the inputs."""
    return Path(str(job.metadata["folder"])) / "results"


def timestamp(us: int) -> str:
    """UTC, to the second."""
    return datetime_from_us(us).strftime("%Y-%m-%dT%H:%M:%SZ")
