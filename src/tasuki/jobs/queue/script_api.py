"""`tasuki.hpc.sync`: one sync with a host, for scripts written for chasqui."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import NotFound
from tasuki.hpc.host import Host, HostsFile
from tasuki.hpc.job_package import JobSpec
from tasuki.hpc.open_transport import open_transport
from tasuki.jobs.queue.chasqui_import import read_chasqui_jobs
from tasuki.jobs.queue.host_sync import HostSync
from tasuki.jobs.queue.queue import JobQueue, SubmitOptions, format_timestamp, open_queue, open_queue_read_only
from tasuki.records import JobStatus
from tasuki.settings import Settings, load

__all__ = ["SyncConfig", "submit", "sync"]


class SyncConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a sync. Scheduler and the rest are those of `tasuki hpc add`, else PBS."""

    remote_host: str = "bebop"
    chasqui_remote_dir: str = "$HOME/chasqui_remote"
    max_queued: int = 40
    max_running: int = 30
    auto_deploy_agent: bool = True
    download_results: bool = False


def sync(
    local_db_path: str | Path = "~/.chasqui/jobs.db",
    remote_host: str | None = None,
    dry_run: bool = False,
    config: SyncConfig | None = None,
) -> dict[str, Any]:
    """Upload waiting jobs to a host and fetch news; return counts and the time.

    A chasqui database at that path is imported, once. `dry_run` says what would be uploaded, and needs no host.
    """
    settings = load()
    site = resolve_host(settings, remote_host, config)
    download = config is not None and config.download_results
    return asyncio.run(run_sync(settings, site, Path(local_db_path).expanduser(), dry_run=dry_run, download=download))


def submit(path: str | Path, vasp_config: dict[str, Any] | None = None, *, on: str | None = None) -> str:
    """Record a VASP calculation for the next sync; return its job id.

    Raise FileNotFoundError for a missing folder.
    """
    settings = load()
    site = resolve_host(settings, on, None)
    known = {name: value for name, value in (vasp_config or {}).items() if name in JobSpec.__struct_fields__}
    wanted = msgspec.convert({"profile": "vasp"} | known, JobSpec)

    async def submit_job() -> str:
        async with open_queue(settings) as queues:
            job, _ = await queues.submit(site, Path(path), wanted, SubmitOptions())
            return job.id

    return asyncio.run(submit_job())


def resolve_host(settings: Settings, name: str | None, config: SyncConfig | None) -> Host:
    """Return the host: its configuration, overridden by `config`."""
    sites = HostsFile(settings.dir)
    wanted = name or (config.remote_host if config else None)
    known = sites.list_hosts()
    if wanted is None:
        wanted = known[0].name if len(known) == 1 else SyncConfig().remote_host
    try:
        site = sites.get(wanted)
    except NotFound:
        site = Host(name=wanted, host=wanted, root=SyncConfig().chasqui_remote_dir)
    if config is None:
        return site
    return msgspec.structs.replace(
        site,
        root=config.chasqui_remote_dir,
        max_queued=config.max_queued,
        max_running=config.max_running,
        auto_deploy=config.auto_deploy_agent,
    )


async def run_sync(settings: Settings, host: Host, database: Path, *, dry_run: bool, download: bool) -> dict[str, Any]:
    """Do one sync, or describe it."""
    if dry_run:
        return await plan_sync(settings, host, database)
    async with open_queue(settings) as queues:
        await import_chasqui_jobs(queues, host, database)
        done = await HostSync(queues, host, open_transport(host)).run(download=download)
    return {name: value for name, value in done._asdict().items() if name != "errors"}


async def plan_sync(settings: Settings, host: Host, database: Path) -> dict[str, Any]:
    """Describe the uploads of a sync. Write nothing: an unused folder stays as it is."""
    waiting = 0
    if database.is_file():
        waiting += sum(len(facts) == 1 for facts in read_chasqui_jobs(database, host, 0))
    async with open_queue_read_only(settings) as queues:
        jobs = await queues.list_jobs(host.name)
    waiting = sum(job.status in (JobStatus.PENDING, JobStatus.UPLOADING) for job in jobs) + (
        0 if any(job.metadata.get("chasqui") for job in jobs) else waiting
    )
    return {"uploaded": waiting, "submitted": 0, "completed": 0, "failed": 0, "timestamp": format_timestamp(SYSTEM_CLOCK.now_us())}


async def import_chasqui_jobs(job_queue: JobQueue, host: Host, database: Path) -> int:
    """Import new jobs of a chasqui database; return their number."""
    if not database.is_file():
        return 0
    here = {job.id for job in await job_queue.list_jobs()}
    came = [facts for facts in read_chasqui_jobs(database, host, job_queue.context.clock.now_us()) if facts[0].job not in here]  # type: ignore[attr-defined] # a JobCreated
    for facts in came:
        await job_queue.context.record(*facts)
    return len(came)
