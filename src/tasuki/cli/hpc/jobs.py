"""HPC jobs in the commands `tasuki job` and `tasuki hpc`."""

import sys
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError, NotFound, TasukiError

if TYPE_CHECKING:
    from tasuki.hpc.host import Host
    from tasuki.hpc.job_package import JobPackage, JobSpec
    from tasuki.hpc.results import FileFilter
    from tasuki.hpc.transports.protocol import HostTransport, ProgressCallback
    from tasuki.jobs.queue.host_sync import HostSyncResult
    from tasuki.jobs.queue.queue import JobQueue, SubmitOptions
    from tasuki.settings import Settings

__all__ = [
    "build_file_filter",
    "count_jobs",
    "fetch_results",
    "get_host",
    "open_host_transport",
    "plan_submit",
    "plan_sync",
    "print_plan",
    "require_host",
    "run_async",
    "show_transfer_progress",
    "submit_all",
    "sync_host",
]  # fmt: skip

T = TypeVar("T")
SIZE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SUBMIT_COMMANDS = {
    "pbs": "qsub -N {id} -r n -j oe -o .run/scheduler.out",
    "slurm": "sbatch --parsable --no-requeue --job-name={id} --output=.run/scheduler.out",
}


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine. Imports asyncio on first use: most commands do not need it."""
    import asyncio

    return asyncio.run(coroutine)


def get_host(name: str, settings: "Settings") -> "Host":
    """Return a host. Raise NotFound for an unknown one."""
    from tasuki.hpc.host import HostsFile

    return HostsFile(settings.dir).get(name)


def require_host(name: str, settings: "Settings") -> "Host":
    """Return a host where a provider would be possible, too. Raise NotFound with all names for neither."""
    from tasuki.hpc.host import HostsFile
    from tasuki.jobs import PROVIDERS

    try:
        return get_host(name, settings)
    except NotFound as error:
        places = [*(one for one in PROVIDERS if one != "hpc"), *(site.name for site in HostsFile(settings.dir).list_hosts())]
        hint = f"one of {', '.join(places)}; or tasuki hpc add"
        raise NotFound(f"there is no provider and no host {name!r}", hint=hint) from error


def open_host_transport(host: "Host") -> "HostTransport":
    """Open the transport of a host that somebody has logged in to."""
    from tasuki.hpc.open_transport import open_transport

    return open_transport(host)


def open_job_queue(settings: "Settings") -> "AbstractAsyncContextManager[JobQueue]":
    """Open the HPC jobs of a data folder; heavy modules are imported on first use."""
    from tasuki.jobs.queue import queue as queues

    return queues.open_queue(settings)


# -- submit


async def submit_all(
    settings: "Settings", host: "Host", folders: Iterable[str], job_spec: "JobSpec", submit_options: "SubmitOptions"
) -> list[dict[str, Any]]:
    """Record each folder; report invalid ones and continue with the others."""
    jobs = []
    async with open_job_queue(settings) as queues:
        for folder in folders:
            with report_error_and_continue():
                job, warnings = await queues.submit(host, Path(folder), job_spec, submit_options)
                jobs.append({"job_id": job.id, "name": job.config_name})
                print_warnings(warnings)
    return jobs


def plan_submit(host: "Host", folders: Iterable[str], job_spec: "JobSpec", submit_options: "SubmitOptions") -> list[dict[str, Any]]:
    """Describe the submission of each folder, without any change."""
    from tasuki.hpc.job_package import build_package

    plans = []
    for number, folder in enumerate(folders):
        with report_error_and_continue():
            made = build_package(Path(folder), job_spec, strict=submit_options.strict)
            plans.append(build_plan(f"dryrun{number}", made, host))
            print_warnings(made.warnings)
    return plans


@contextmanager
def report_error_and_continue() -> Iterator[None]:
    """Report an error of the block, and continue after it."""
    try:
        yield
    except (TasukiError, OSError) as error:
        print_message(f"error: {error}")


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings."""
    for warning in warnings:
        print_message(f"note: {warning}")


def build_plan(id: str, package: "JobPackage", host: "Host") -> dict[str, Any]:
    """Return a job's exact scripts, its inputs, and the command that submits them."""
    place = f"{host.root}/jobs/{id}"
    return {
        "folder": str(package.folder),
        "scripts": {f"{place}/.run/{name}": text for name, text in package.build_scripts(id, host.scheduler).items()},
        "inputs": {f"{place}/{name}": str(path) for name, path in package.inputs.items()},
        "command": f"cd {place} && {SUBMIT_COMMANDS[host.scheduler].format(id=id)} .run/job.sh",
    }


def print_plan(plan: dict[str, Any]) -> None:
    """Print the plan for people."""
    for name, text in plan["scripts"].items():
        typer.echo(f"# {name}\n{text.strip()}\n")
    for name, path in plan["inputs"].items():
        typer.echo(f"# {name} <- {path}")
    typer.echo(f"# {plan['command']}\n")


# -- sync, status


async def sync_host(
    settings: "Settings", host: "Host", transport: "HostTransport", on_progress: "ProgressCallback", *, download: bool
) -> "HostSyncResult":
    """Do one sync."""
    from tasuki.jobs.queue.host_sync import HostSync

    async with open_job_queue(settings) as queues:
        return await HostSync(queues, host, transport, on_progress=on_progress).run(download=download)


async def plan_sync(settings: "Settings", host: "Host") -> dict[str, object]:
    """Describe what a sync would send."""
    from tasuki.jobs.queue.queue import format_timestamp, get_hpc_id, open_queue_read_only
    from tasuki.records import JobStatus

    plans = []
    async with open_queue_read_only(settings) as queues:
        for job in await queues.list_active(host.name):
            if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
                with report_error_and_continue():
                    plans.append(build_plan(get_hpc_id(job), queues.load_package(job), host))
    for plan in plans:
        print_plan(plan)
    return {
        "uploaded": len(plans),
        "submitted": 0,
        "completed": 0,
        "failed": 0,
        "timestamp": format_timestamp(SYSTEM_CLOCK.now_us()),
    }


async def count_jobs(settings: "Settings", host: "Host") -> dict[str, int]:
    """Count jobs by state."""
    async with open_job_queue(settings) as queues:
        return dict(Counter(job.status.value for job in await queues.list_jobs(host.name)))


@contextmanager
def show_transfer_progress() -> "Iterator[ProgressCallback]":
    """Show transfer progress for the block: on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:

        def update_bar(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = progress.add_task(label)
            progress.update(tasks[label], completed=done, total=total)

        yield update_bar


# -- fetch


async def fetch_results(
    settings: "Settings", id: str, file_filter: "FileFilter | None", on_progress: "ProgressCallback"
) -> dict[str, Any]:
    """Fetch a job's results; return what arrived."""
    from tasuki.jobs.queue.host_sync import HostSync
    from tasuki.jobs.queue.queue import get_host_name, get_results_folder

    async with open_job_queue(settings) as queues:
        job = await queues.get_job(id)
        site = get_host(get_host_name(job), settings)
        done = await HostSync(queues, site, open_host_transport(site), on_progress=on_progress).fetch(job, file_filter)
    return {"job_id": job.id, "folder": str(get_results_folder(job)), **done._asdict()}


def build_file_filter(include: list[str] | None, exclude: list[str] | None, max_size: str | None) -> "FileFilter | None":
    """Build the filter of files; None without options. Raise ConfigError for an invalid size."""
    from tasuki.hpc.results import FileFilter

    if not (include or exclude or max_size):
        return None
    return FileFilter(tuple(include or ["*"]), tuple(exclude or []), parse_size(max_size))


def parse_size(text: str | None) -> int | None:
    """Parse a size with a unit into bytes. Raise ConfigError if invalid."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:].upper()
    if unit in SIZE_UNITS and number.isdecimal():
        return int(number) * SIZE_UNITS[unit]
    if text.isdecimal():
        return int(text)
    raise ConfigError(f"{text!r} is no size", hint="like 500K, 100M or 2G")
