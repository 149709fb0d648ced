"""Calculations in a queue behind ssh, as `tasuki job` and `tasuki hpc` deal with them."""

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
    from tasuki.hpc.transports.protocol import HostTransport, Told
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
    """Do it in an event loop. asyncio is imported with the first: most commands need none."""
    import asyncio

    return asyncio.run(coroutine)


def get_host(name: str, settings: "Settings") -> "Host":
    """A host. NotFound for one that is none."""
    from tasuki.hpc.host import HostsFile

    return HostsFile(settings.dir).get(name)


def require_host(name: str, settings: "Settings") -> "Host":
    """A host where a provider could be meant, too. NotFound for what is neither, with all there are."""
    from tasuki.hpc.host import HostsFile
    from tasuki.jobs import PROVIDERS

    try:
        return get_host(name, settings)
    except NotFound as error:
        places = [*(one for one in PROVIDERS if one != "hpc"), *(site.name for site in HostsFile(settings.dir).all())]
        hint = f"one of {', '.join(places)}; or tasuki hpc add"
        raise NotFound(f"there is no provider and no host {name!r}", hint=hint) from error


def open_host_transport(host: "Host") -> "HostTransport":
    """The way to a host, on which somebody must have logged in."""
    from tasuki.hpc.open_transport import open_transport

    return open_transport(host)


def open_job_queue(settings: "Settings") -> "AbstractAsyncContextManager[JobQueue]":
    """The jobs of a data folder, for a block. What it takes is imported with the first."""
    from tasuki.jobs.queue import queue as queues

    return queues.queues_of(settings)


# -- submit


async def submit_all(
    settings: "Settings", host: "Host", folders: Iterable[str], job_spec: "JobSpec", submit_options: "SubmitOptions"
) -> list[dict[str, Any]]:
    """Put each folder on record; one that can't be is said, and the others go on."""
    jobs = []
    async with open_job_queue(settings) as queues:
        for folder in folders:
            with report_error_and_continue():
                job, warnings = await queues.submit(host, Path(folder), job_spec, submit_options)
                jobs.append({"job_id": job.id, "name": job.config_name})
                print_warnings(warnings)
    return jobs


def plan_submit(host: "Host", folders: Iterable[str], job_spec: "JobSpec", submit_options: "SubmitOptions") -> list[dict[str, Any]]:
    """What would be submitted of each folder; nothing changes."""
    from tasuki.hpc.job_package import calculation

    plans = []
    for number, folder in enumerate(folders):
        with report_error_and_continue():
            made = calculation(Path(folder), job_spec, strict=submit_options.strict)
            plans.append(build_plan(f"dryrun{number}", made, host))
            print_warnings(made.warnings)
    return plans


@contextmanager
def report_error_and_continue() -> Iterator[None]:
    """Say what goes wrong with one of several in the block, and go on behind it."""
    try:
        yield
    except (TasukiError, OSError) as error:
        print_message(f"error: {error}")


def print_warnings(warnings: Iterable[str]) -> None:
    """What need not be an error."""
    for warning in warnings:
        print_message(f"note: {warning}")


def build_plan(id: str, package: "JobPackage", host: "Host") -> dict[str, Any]:
    """The exact scripts of a job, its inputs, and what submits them."""
    place = f"{host.root}/jobs/{id}"
    return {
        "folder": str(package.folder),
        "scripts": {f"{place}/.run/{name}": text for name, text in package.scripts(id, host.scheduler).items()},
        "inputs": {f"{place}/{name}": str(path) for name, path in package.inputs.items()},
        "command": f"cd {place} && {SUBMIT_COMMANDS[host.scheduler].format(id=id)} .run/job.sh",
    }


def print_plan(plan: dict[str, Any]) -> None:
    """The same for people."""
    for name, text in plan["scripts"].items():
        typer.echo(f"# {name}\n{text.strip()}\n")
    for name, path in plan["inputs"].items():
        typer.echo(f"# {name} <- {path}")
    typer.echo(f"# {plan['command']}\n")


# -- sync, status


async def sync_host(
    settings: "Settings", host: "Host", transport: "HostTransport", on_progress: "Told", *, download: bool
) -> "HostSyncResult":
    """One sync."""
    from tasuki.jobs.queue.host_sync import HostSync

    async with open_job_queue(settings) as queues:
        return await HostSync(queues, host, transport, told=on_progress).once(download=download)


async def plan_sync(settings: "Settings", host: "Host") -> dict[str, object]:
    """Show what a sync would send; what it would answer."""
    from tasuki.jobs.queue.queue import hpc_id, queues_read, timestamp
    from tasuki.records import JobStatus

    plans = []
    async with queues_read(settings) as queues:
        for job in await queues.active(host.name):
            if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
                with report_error_and_continue():
                    plans.append(build_plan(hpc_id(job), queues.plan(job), host))
    for plan in plans:
        print_plan(plan)
    return {"uploaded": len(plans), "submitted": 0, "completed": 0, "failed": 0, "timestamp": timestamp(SYSTEM_CLOCK.now_us())}


async def count_jobs(settings: "Settings", host: "Host") -> dict[str, int]:
    """How many jobs stand where."""
    async with open_job_queue(settings) as queues:
        return dict(Counter(job.status.value for job in await queues.all(host.name)))


@contextmanager
def show_transfer_progress() -> "Iterator[Told]":
    """What draws how far it is, for the block: on stderr, if that is a terminal."""
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


async def fetch_results(settings: "Settings", id: str, file_filter: "FileFilter | None", on_progress: "Told") -> dict[str, Any]:
    """Bring a job's results here; what came."""
    from tasuki.jobs.queue.host_sync import HostSync
    from tasuki.jobs.queue.queue import results_folder, site_of

    async with open_job_queue(settings) as queues:
        job = await queues.job(id)
        site = get_host(site_of(job), settings)
        done = await HostSync(queues, site, open_host_transport(site), told=on_progress).fetch(job, file_filter)
    return {"job_id": job.id, "folder": str(results_folder(job)), **done._asdict()}


def build_file_filter(include: list[str] | None, exclude: list[str] | None, max_size: str | None) -> "FileFilter | None":
    """Which files are meant; None where nothing is said. ConfigError for what is no size."""
    from tasuki.hpc.results import FileFilter

    if not (include or exclude or max_size):
        return None
    return FileFilter(tuple(include or ["*"]), tuple(exclude or []), parse_size(max_size))


def parse_size(text: str | None) -> int | None:
    """Bytes, from text with a unit. ConfigError for anything else."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:].upper()
    if unit in SIZE_UNITS and number.isdecimal():
        return int(number) * SIZE_UNITS[unit]
    if text.isdecimal():
        return int(text)
    raise ConfigError(f"{text!r} is no size", hint="like 500K, 100M or 2G")
