"""Calculations in a queue behind ssh, as `tasuki job` and `tasuki hpc` deal with them."""

import sys
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from tasuki.cli.shared.messages import say
from tasuki.clock import SYSTEM
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
    "bars", "counts", "fetch_results", "finished", "opened", "place_named", "selection_of", "show_plan", "site_named", "submit_all",
    "submit_dry", "sync_once", "would_send",
]  # fmt: skip

T = TypeVar("T")
SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SUBMITS = {
    "pbs": "qsub -N {id} -r n -j oe -o .run/scheduler.out",
    "slurm": "sbatch --parsable --no-requeue --job-name={id} --output=.run/scheduler.out",
}


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Do it in an event loop. asyncio is imported with the first: most commands need none."""
    import asyncio

    return asyncio.run(work)


def site_named(name: str, settings: "Settings") -> "Host":
    """A host. NotFound for one that is none."""
    from tasuki.hpc.host import HostsFile

    return HostsFile(settings.dir).get(name)


def place_named(name: str, settings: "Settings") -> "Host":
    """A host where a provider could be meant, too. NotFound for what is neither, with all there are."""
    from tasuki.hpc.host import HostsFile
    from tasuki.jobs import PROVIDERS

    try:
        return site_named(name, settings)
    except NotFound as error:
        places = [*(one for one in PROVIDERS if one != "hpc"), *(site.name for site in HostsFile(settings.dir).all())]
        hint = f"one of {', '.join(places)}; or tasuki hpc add"
        raise NotFound(f"there is no provider and no host {name!r}", hint=hint) from error


def opened(site: "Host") -> "HostTransport":
    """The way to a host, on which somebody must have logged in."""
    from tasuki.hpc.open_transport import open_transport

    return open_transport(site)


def queues_of(settings: "Settings") -> "AbstractAsyncContextManager[JobQueue]":
    """The jobs of a data folder, for a block. What it takes is imported with the first."""
    from tasuki.jobs.queue import queue as queues

    return queues.queues_of(settings)


# -- submit


async def submit_all(
    settings: "Settings", site: "Host", folders: Iterable[str], wanted: "JobSpec", terms: "SubmitOptions"
) -> list[dict[str, Any]]:
    """Put each folder on record; one that can't be is said, and the others go on."""
    jobs = []
    async with queues_of(settings) as queues:
        for folder in folders:
            with going_on():
                job, warnings = await queues.submit(site, Path(folder), wanted, terms)
                jobs.append({"job_id": job.id, "name": job.config_name})
                say_all(warnings)
    return jobs


def submit_dry(site: "Host", folders: Iterable[str], wanted: "JobSpec", terms: "SubmitOptions") -> list[dict[str, Any]]:
    """What would be submitted of each folder; nothing changes."""
    from tasuki.hpc.job_package import calculation

    plans = []
    for number, folder in enumerate(folders):
        with going_on():
            made = calculation(Path(folder), wanted, strict=terms.strict)
            plans.append(plan_of(f"dryrun{number}", made, site))
            say_all(made.warnings)
    return plans


@contextmanager
def going_on() -> Iterator[None]:
    """Say what goes wrong with one of several in the block, and go on behind it."""
    try:
        yield
    except (TasukiError, OSError) as error:
        say(f"error: {error}")


def say_all(warnings: Iterable[str]) -> None:
    """What need not be an error."""
    for warning in warnings:
        say(f"note: {warning}")


def plan_of(id: str, made: "JobPackage", site: "Host") -> dict[str, Any]:
    """The exact scripts of a job, its inputs, and what submits them."""
    place = f"{site.root}/jobs/{id}"
    return {
        "folder": str(made.folder),
        "scripts": {f"{place}/.run/{name}": text for name, text in made.scripts(id, site.scheduler).items()},
        "inputs": {f"{place}/{name}": str(path) for name, path in made.inputs.items()},
        "command": f"cd {place} && {SUBMITS[site.scheduler].format(id=id)} .run/job.sh",
    }


def show_plan(plan: dict[str, Any]) -> None:
    """The same for people."""
    for name, text in plan["scripts"].items():
        typer.echo(f"# {name}\n{text.strip()}\n")
    for name, path in plan["inputs"].items():
        typer.echo(f"# {name} <- {path}")
    typer.echo(f"# {plan['command']}\n")


# -- sync, status


async def sync_once(
    settings: "Settings", site: "Host", transport: "HostTransport", told: "Told", *, download: bool
) -> "HostSyncResult":
    """One sync."""
    from tasuki.jobs.queue.host_sync import HostSync

    async with queues_of(settings) as queues:
        return await HostSync(queues, site, transport, told=told).once(download=download)


async def would_send(settings: "Settings", site: "Host") -> dict[str, object]:
    """Show what a sync would send; what it would answer."""
    from tasuki.jobs.queue.queue import hpc_id, queues_read, timestamp
    from tasuki.records import JobStatus

    plans = []
    async with queues_read(settings) as queues:
        for job in await queues.active(site.name):
            if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
                with going_on():
                    plans.append(plan_of(hpc_id(job), queues.plan(job), site))
    for plan in plans:
        show_plan(plan)
    return {"uploaded": len(plans), "submitted": 0, "completed": 0, "failed": 0, "timestamp": timestamp(SYSTEM.now_us())}


async def counts(settings: "Settings", site: "Host") -> dict[str, int]:
    """How many jobs stand where."""
    async with queues_of(settings) as queues:
        return dict(Counter(job.status.value for job in await queues.all(site.name)))


@contextmanager
def bars() -> "Iterator[Told]":
    """What draws how far it is, for the block: on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:

        def draw(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield draw


# -- fetch


async def fetch_results(settings: "Settings", id: str, selection: "FileFilter | None", told: "Told") -> dict[str, Any]:
    """Bring a job's results here; what came."""
    from tasuki.jobs.queue.host_sync import HostSync
    from tasuki.jobs.queue.queue import results_folder, site_of

    async with queues_of(settings) as queues:
        job = await queues.job(id)
        site = site_named(site_of(job), settings)
        done = await HostSync(queues, site, opened(site), told=told).fetch(job, selection)
    return {"job_id": job.id, "folder": str(results_folder(job)), **done._asdict()}


def selection_of(include: list[str] | None, exclude: list[str] | None, max_size: str | None) -> "FileFilter | None":
    """Which files are meant; None where nothing is said. ConfigError for what is no size."""
    from tasuki.hpc.results import FileFilter

    if not (include or exclude or max_size):
        return None
    return FileFilter(tuple(include or ["*"]), tuple(exclude or []), size_of(max_size))


def size_of(text: str | None) -> int | None:
    """Bytes, from text with a unit. ConfigError for anything else."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:].upper()
    if unit in SUFFIXES and number.isdecimal():
        return int(number) * SUFFIXES[unit]
    if text.isdecimal():
        return int(text)
    raise ConfigError(f"{text!r} is no size", hint="like 500K, 100M or 2G")
