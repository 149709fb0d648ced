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
from tasuki.hpc.job_package import JobPackage, JobSpec, build_package
from tasuki.jobs.context import JobContext
from tasuki.jobs.queue.observations import get_host_name, get_hpc_id
from tasuki.jobs.queue.outputs import DEFAULT_PROJECT
from tasuki.jobs.storage.requests import JobRequest
from tasuki.jobs.submit import Submitter
from tasuki.journal import normalize_project_name
from tasuki.records import Job, JobCreated
from tasuki.settings import Settings
from tasuki.store import JobFilter

__all__ = [
    "HPC_PROVIDER",
    "JobQueue",
    "SubmitOptions",
    "exclude_restart_files",
    "format_timestamp",
    "get_host_name",
    "get_hpc_id",
    "get_restart_files",
    "get_results_folder",
    "open_queue",
    "open_queue_read_only",
]

HPC_PROVIDER = "hpc"
RESERVED_METADATA = frozenset({
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

    def __init__(self, context: JobContext, request_root: Path | None = None) -> None:
        self.context = context
        self.submitter = Submitter(context, request_root)

    async def submit(self, host: Host, folder: Path, job_spec: JobSpec, submit_options: SubmitOptions) -> tuple[Job, list[str]]:
        """Record a job for upload by the next sync. Return it with the names of missing inputs."""
        made = build_package(folder, job_spec, strict=submit_options.strict)
        if reserved := RESERVED_METADATA & submit_options.metadata.keys():
            raise ConfigError(f"{min(reserved)} is remembered of each job in a queue by itself", hint="--meta with another name")
        id = secrets.token_hex(6)
        said = {name: value for name, value in msgspec.to_builtins(job_spec).items() if value is not None and name != "env"}
        self.submitter.store_request(id, JobRequest(env=job_spec.env or {}))  # which may be secret
        facts = {"site": host.name, "folder": str(made.folder.absolute()), "profile": made.profile.name, "wanted": said}
        project = normalize_project_name(submit_options.project or self.context.settings.project or DEFAULT_PROJECT)
        await self.context.record(JobCreated(
            time=self.context.clock.now_us(), job=id, provider=HPC_PROVIDER, config_name=submit_options.name or made.folder.name,
            hardware_type=host.scheduler, command=[made.command], metadata=submit_options.metadata | facts | {"project": project},
        ))  # fmt: skip
        return await self.get_job(id), made.warnings

    async def get_job(self, id: str) -> Job:
        """Return one job, by id or unique prefix. Raise NotFound otherwise."""
        found: Job = (await self.context.run_query(lambda queries: queries.job(id))).job
        if found.provider != HPC_PROVIDER:
            raise NotFound(f"job {id} is in no queue", hint="tasuki job list --on hpc")
        return found

    async def list_jobs(self, host_name: str | None = None) -> list[Job]:
        """Return every job, oldest first."""
        wanted = JobFilter(provider=HPC_PROVIDER)
        rows = await self.context.run_query(lambda queries: queries.page(wanted))
        return [row.job for row in rows if host_name in (None, get_host_name(row.job))]

    async def list_active(self, host_name: str) -> list[Job]:
        """Return the unfinished jobs of a host, oldest first."""
        found = await self.context.run_query(lambda queries: queries.active_jobs(HPC_PROVIDER))
        return sorted((job for job in found if get_host_name(job) == host_name), key=lambda job: (job.created, job.id))

    def load_package(self, job: Job) -> JobPackage:
        """Return a job's package, as its folder is now."""
        wanted = msgspec.convert(job.metadata.get("wanted") or {}, JobSpec)
        if (request := self.submitter.load_request(job)) and request.env:
            wanted = msgspec.structs.replace(wanted, env=request.env)
        return build_package(Path(str(job.metadata["folder"])), wanted)


@asynccontextmanager
async def open_queue(settings: Settings, request_root: Path | None = None) -> AsyncIterator[JobQueue]:
    """Open the HPC jobs of a data folder; `files`: another folder that keeps their requests."""
    context = JobContext(settings)
    try:
        yield JobQueue(context, request_root)
    finally:
        await context.close()


@asynccontextmanager
async def open_queue_read_only(settings: Settings) -> AsyncIterator[JobQueue]:
    """Open the HPC jobs read-only: nothing in the data folder changes, not even the projection."""
    with TemporaryDirectory(prefix="tasuki-") as folder:
        elsewhere = msgspec.structs.replace(settings, dir=Path(folder), journal=settings.journal_root)
        async with open_queue(elsewhere, settings.dir) as queues:
            yield queues


def get_restart_files(job: Job) -> dict[str, str]:
    """Return the outputs of the last attempt that this one starts from, by the inputs they replace."""
    return dict(job.metadata.get("restart") or {}) if job.attempt > 1 else {}


def exclude_restart_files(package: JobPackage, job: Job) -> JobPackage:
    """Return a package without the inputs that the last attempt's outputs replace."""
    replaced = get_restart_files(job).values()
    return package._replace(inputs={name: path for name, path in package.inputs.items() if name not in replaced})


def get_results_folder(job: Job) -> Path:
    """Return the folder of a job's results: beside its inputs."""
    return Path(str(job.metadata["folder"])) / "results"


def format_timestamp(us: int) -> str:
    """Format a time as UTC, to the second."""
    return datetime_from_us(us).strftime("%Y-%m-%dT%H:%M:%SZ")
