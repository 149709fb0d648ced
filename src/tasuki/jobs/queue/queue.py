"""Job queue of HPC hosts.

Jobs are submitted here at any time, and a sync uploads them and fetches results.

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
from tasuki.journal import normalize_project_name
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
    """Options of a submission besides the queue's.

    Name, metadata, strict inputs, and the project of its run.
    """

    name: str | None = None
    metadata: dict[str, Any] = {}
    strict: bool = False
    project: str | None = None


class JobQueue:
    """All HPC jobs of one data folder."""

    def __init__(self, context: JobContext, files: Path | None = None) -> None:
        self.context = context
        self.submitting = Submitter(context, files)

    async def submit(self, site: Host, folder: Path, wanted: JobSpec, terms: SubmitOptions) -> tuple[Job, list[str]]:
        """Record a job for upload by the next sync. Return it with the names of missing inputs."""
        made = calculation(folder, wanted, strict=terms.strict)
        if reserved := RESERVED & terms.metadata.keys():
            raise ConfigError(f"{min(reserved)} is remembered of each job in a queue by itself", hint="--meta with another name")
        id = secrets.token_hex(6)
        said = {name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None and name != "env"}
        self.submitting.keep(id, JobRequest(env=wanted.env or {}))  # which may be secret
        facts = {"site": site.name, "folder": str(made.folder.absolute()), "profile": made.profile.name, "wanted": said}
        project = normalize_project_name(terms.project or self.context.settings.project or PROJECT)
        await self.context.record(JobCreated(
            time=self.context.clock.now_us(), job=id, provider=HPC, config_name=terms.name or made.folder.name,
            hardware_type=site.scheduler, command=[made.command], metadata=terms.metadata | facts | {"project": project},
        ))  # fmt: skip
        return await self.job(id), made.warnings

    async def job(self, id: str) -> Job:
        """Return one job, by id or unique prefix. Raise NotFound otherwise."""
        found: Job = (await self.context.ask(lambda queries: queries.job(id))).job
        if found.provider != HPC:
            raise NotFound(f"job {id} is in no queue", hint="tasuki job list --on hpc")
        return found

    async def all(self, site: str | None = None) -> list[Job]:
        """Return every job, oldest first."""
        wanted = JobFilter(provider=HPC)
        rows = await self.context.ask(lambda queries: queries.page(wanted))
        return [row.job for row in rows if site in (None, site_of(row.job))]

    async def active(self, site: str) -> list[Job]:
        """Return the unfinished jobs of a host, oldest first."""
        found = await self.context.ask(lambda queries: queries.active_jobs(HPC))
        return sorted((job for job in found if site_of(job) == site), key=lambda job: (job.created, job.id))

    def plan(self, job: Job) -> JobPackage:
        """Return a job's package, as its folder is now."""
        wanted = msgspec.convert(job.metadata.get("wanted") or {}, JobSpec)
        if (request := self.submitting.request(job)) and request.env:
            wanted = msgspec.structs.replace(wanted, env=request.env)
        return calculation(Path(str(job.metadata["folder"])), wanted)


@asynccontextmanager
async def queues_of(settings: Settings, files: Path | None = None) -> AsyncIterator[JobQueue]:
    """Open the HPC jobs of a data folder; `files`: another folder that keeps their requests."""
    context = JobContext(settings)
    try:
        yield JobQueue(context, files)
    finally:
        await context.close()


@asynccontextmanager
async def queues_read(settings: Settings) -> AsyncIterator[JobQueue]:
    """Open the HPC jobs read-only: nothing in the data folder changes, not even the projection."""
    with TemporaryDirectory(prefix="tasuki-") as folder:
        elsewhere = msgspec.structs.replace(settings, dir=Path(folder), journal=settings.journal_root)
        async with queues_of(elsewhere, settings.dir) as queues:
            yield queues


def restarted(job: Job) -> dict[str, str]:
    """Return the outputs of the last attempt that this one starts from, by the inputs they replace."""
    return dict(job.metadata.get("restart") or {}) if job.attempt > 1 else {}


def without_restarted(made: JobPackage, job: Job) -> JobPackage:
    """Return a package without the inputs that the last attempt's outputs replace."""
    replaced = restarted(job).values()
    return made._replace(inputs={name: path for name, path in made.inputs.items() if name not in replaced})


def results_folder(job: Job) -> Path:
    """Return the folder of a job's results: beside its inputs."""
    return Path(str(job.metadata["folder"])) / "results"


def timestamp(us: int) -> str:
    """Format a time as UTC, to the second."""
    return datetime_from_us(us).strftime("%Y-%m-%dT%H:%M:%SZ")
