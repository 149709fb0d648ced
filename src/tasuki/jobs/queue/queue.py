"""Jobs in queues behind ssh: submitted here at any time, brought there and back by a sync with the host.

A job waits here as `pending` until a sync uploads it, all in one stream, and hands it to the agent over there. What the agent says
is observed like any provider's word. Another attempt of the agent's (a job that was lost) is another attempt here.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tasuki.clock import datetime_from_us
from tasuki.errors import ConfigError, NotFound
from tasuki.hpc.host import Host
from tasuki.hpc.job_package import JobPackage, JobSpec, calculation
from tasuki.jobs.context import JobContext
from tasuki.jobs.queue.observations import hpc_id, site_of
from tasuki.jobs.queue.outputs import PROJECT
from tasuki.jobs.storage.requests import JobRequest
from tasuki.jobs.submit import Submitter
from tasuki.journal import project_name
from tasuki.records import Job, JobCreated
from tasuki.settings import Settings
from tasuki.store import JobFilter

__all__ = [
    "HPC",
    "JobQueue",
    "SubmitOptions",
    "hpc_id",
    "queues_of",
    "queues_read",
    "restarted",
    "results_folder",
    "site_of",
    "timestamp",
    "without_restarted",
]

HPC = "hpc"
RESERVED = frozenset({
    "chasqui", "folder", "host", "hpc_id", "inputs_sha256", "profile", "project", "restart", "scheduler_id", "script", "site",
    "ticket", "wanted",
})  # fmt: skip


class SubmitOptions(msgspec.Struct, frozen=True):
    """How a calculation is submitted beside what it asks of the queue: under which name, what is to be remembered, whether every
    input must be there, and in which project its run is recorded.
    """

    name: str | None = None
    metadata: dict[str, Any] = {}
    strict: bool = False
    project: str | None = None


class JobQueue:
    """All jobs in queues of one data folder."""

    def __init__(self, context: JobContext, files: Path | None = None) -> None:
        self.context = context
        self.submitting = Submitter(context, files)

    async def submit(self, site: Host, folder: Path, wanted: JobSpec, terms: SubmitOptions) -> tuple[Job, list[str]]:
        """Put a calculation on record, to be uploaded by the next sync; and what of its inputs is missing."""
        made = calculation(folder, wanted, strict=terms.strict)
        if reserved := RESERVED & terms.metadata.keys():
            raise ConfigError(f"{min(reserved)} is remembered of each job in a queue by itself", hint="--meta with another name")
        id = secrets.token_hex(6)
        said = {name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None and name != "env"}
        self.submitting.keep(id, JobRequest(env=wanted.env or {}))  # which may be secret
        facts = {"site": site.name, "folder": str(made.folder.absolute()), "profile": made.profile.name, "wanted": said}
        project = project_name(terms.project or self.context.settings.project or PROJECT)
        await self.context.record(JobCreated(
            time=self.context.clock.now_us(), job=id, provider=HPC, config_name=terms.name or made.folder.name,
            hardware_type=site.scheduler, command=[made.command], metadata=terms.metadata | facts | {"project": project},
        ))  # fmt: skip
        return await self.job(id), made.warnings

    async def job(self, id: str) -> Job:
        """One job, by its id or a unique beginning of it. NotFound for any other."""
        found: Job = (await self.context.ask(lambda queries: queries.job(id))).job
        if found.provider != HPC:
            raise NotFound(f"job {id} is in no queue", hint="tasuki job list --on hpc")
        return found

    async def all(self, site: str | None = None) -> list[Job]:
        """Every job, the oldest first."""
        wanted = JobFilter(provider=HPC)
        rows = await self.context.ask(lambda queries: queries.page(wanted))
        return [row.job for row in rows if site in (None, site_of(row.job))]

    async def active(self, site: str) -> list[Job]:
        """Those of a host that are not over, the oldest first."""
        found = await self.context.ask(lambda queries: queries.active(HPC))
        return sorted((job for job in found if site_of(job) == site), key=lambda job: (job.created, job.id))

    def plan(self, job: Job) -> JobPackage:
        """A job's calculation, as its folder is now."""
        wanted = msgspec.convert(job.metadata.get("wanted") or {}, JobSpec)
        if (request := self.submitting.request(job)) and request.env:
            wanted = msgspec.structs.replace(wanted, env=request.env)
        return calculation(Path(str(job.metadata["folder"])), wanted)


@asynccontextmanager
async def queues_of(settings: Settings, files: Path | None = None) -> AsyncIterator[JobQueue]:
    """The jobs of a data folder, for the block; `files`: another one, in which what they are to run is kept."""
    context = JobContext(settings)
    try:
        yield JobQueue(context, files)
    finally:
        await context.close()


@asynccontextmanager
async def queues_read(settings: Settings) -> AsyncIterator[JobQueue]:
    """The same, to be read only: nothing in the data folder changes, not even what is made of the journals."""
    with TemporaryDirectory(prefix="tasuki-") as folder:
        elsewhere = msgspec.structs.replace(settings, dir=Path(folder), journal=settings.journal_root)
        async with queues_of(elsewhere, settings.dir) as queues:
            yield queues


def restarted(job: Job) -> dict[str, str]:
    """From which outputs of the attempt before this one begins, and as which inputs."""
    return dict(job.metadata.get("restart") or {}) if job.attempt > 1 else {}


def without_restarted(made: JobPackage, job: Job) -> JobPackage:
    """What is sent of a calculation: not what the attempt before has left in its place."""
    replaced = restarted(job).values()
    return made._replace(inputs={name: path for name, path in made.inputs.items() if name not in replaced})


def results_folder(job: Job) -> Path:
    """Where results come: beside the inputs."""
    return Path(str(job.metadata["folder"])) / "results"


def timestamp(us: int) -> str:
    """UTC, to the second."""
    return datetime_from_us(us).strftime("%Y-%m-%dT%H:%M:%SZ")
