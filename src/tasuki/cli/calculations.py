"""Calculations in a queue behind ssh, as `tasuki job` and `tasuki hpc` deal with them."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tasuki.cli.output import write_json
from tasuki.cli.talk import say
from tasuki.clock import SYSTEM
from tasuki.errors import ConfigError, TasukiError

if TYPE_CHECKING:
    from tasuki.hpc.calculation import Calculation, Wanted
    from tasuki.hpc.results import Selection
    from tasuki.hpc.site import Site
    from tasuki.hpc.transport import Told, Transport
    from tasuki.jobs.queues import Queues, Submission, Synced
    from tasuki.settings import Settings

__all__ = ["bars", "counts", "fetch_results", "opened", "selection_of", "site_named", "submit_all", "sync_once", "would_send"]

SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SUBMITS = {
    "pbs": "qsub -N {id} -r n -j oe -o .run/scheduler.out",
    "slurm": "sbatch --parsable --no-requeue --job-name={id} --output=.run/scheduler.out",
}


def site_named(name: str, settings: "Settings") -> "Site":
    """A host. NotFound for one that is none."""
    from tasuki.hpc.site import Sites

    return Sites(settings.dir).get(name)


def opened(site: "Site") -> "Transport":
    """The way to a host, on which somebody must have logged in."""
    from tasuki.hpc.transports import open_transport

    return open_transport(site)


def queues_of(settings: "Settings") -> "AbstractAsyncContextManager[Queues]":
    """The jobs of a data folder, for a block. What it takes is imported with the first."""
    from tasuki.jobs import queues

    return queues.queues_of(settings)


# -- submit


def submit_all(  # noqa: PLR0913 - options
    settings: "Settings",
    site: "Site",
    folders: list[str],
    wanted: "Wanted",
    submission: "Submission",
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Submit each folder; one that can't be is said, and the others go on. Exits with 1 if there was one."""
    ids: list[dict[str, str]] = []
    failures = 0
    for number, folder in enumerate(folders):
        try:
            if dry_run:
                warnings = show_dry(Path(folder), wanted, site, f"dryrun{number}", strict=submission.strict)
            else:
                id, name, warnings = asyncio.run(put_on_record(settings, site, Path(folder), wanted, submission))
                ids.append({"job_id": id, "name": name})
                if not as_json:
                    typer.echo(f"{id}\t{name}")
        except (TasukiError, FileNotFoundError) as error:
            failures += 1
            say(f"error: {error}")
            continue
        for warning in warnings:
            say(f"note: {warning}")
    if as_json:
        write_json("job-submit/1", {"jobs": ids})
    if ids:
        say(f"{len(ids)} on record; next: tasuki hpc sync {site.name}")
    if failures:
        raise typer.Exit(1)


async def put_on_record(
    settings: "Settings", site: "Site", folder: Path, wanted: "Wanted", submission: "Submission"
) -> tuple[str, str, list[str]]:
    """Submit one folder: its id, its name, and what of its inputs is missing."""
    async with queues_of(settings) as queues:
        job, warnings = await queues.submit(site, folder, wanted, submission)
    return job.id, job.config_name or job.id, warnings


def show_dry(folder: Path, wanted: "Wanted", site: "Site", id: str, *, strict: bool) -> list[str]:
    """Show what would be submitted of one folder; what of its inputs is missing."""
    from tasuki.hpc.calculation import calculation

    made = calculation(folder, wanted, strict=strict)
    show_plan(id, made, site)
    return made.warnings


def show_plan(id: str, made: "Calculation", site: "Site") -> None:
    """The exact scripts of a job, and what submits them."""
    for name, text in made.scripts(id, site.scheduler).items():
        typer.echo(f"# {site.root}/jobs/{id}/.run/{name}\n{text.strip()}\n")
    for name in made.inputs:
        typer.echo(f"# {site.root}/jobs/{id}/{name} <- {made.folder / name}")
    typer.echo(f"# cd {site.root}/jobs/{id} && {SUBMITS[site.scheduler].format(id=id)} .run/job.sh\n")


# -- sync, status


async def sync_once(settings: "Settings", site: "Site", transport: "Transport", told: "Told", *, download: bool) -> "Synced":
    """One sync."""
    from tasuki.jobs.queues import QueueSync

    async with queues_of(settings) as queues:
        return await QueueSync(queues, site, transport, told=told).once(download=download)


async def would_send(settings: "Settings", site: "Site") -> dict[str, object]:
    """Show what a sync would send; what it would answer."""
    from tasuki.jobs.queues import hpc_id, queues_read, timestamp
    from tasuki.records import JobStatus

    waiting = []
    async with queues_read(settings) as queues:
        for job in await queues.active(site.name):
            if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
                waiting.append((hpc_id(job), queues.plan(job)))
    for id, made in waiting:
        show_plan(id, made, site)
    return {"uploaded": len(waiting), "submitted": 0, "completed": 0, "failed": 0, "timestamp": timestamp(SYSTEM.now_us())}


async def counts(settings: "Settings", site: "Site") -> dict[str, int]:
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

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield told


# -- fetch


async def fetch_results(settings: "Settings", id: str, selection: "Selection | None", told: "Told") -> dict[str, Any]:
    """Bring a job's results here; what came."""
    from tasuki.jobs.queues import QueueSync, results_folder, site_of

    async with queues_of(settings) as queues:
        job = await queues.job(id)
        site = site_named(site_of(job), settings)
        done = await QueueSync(queues, site, opened(site), told=told).fetch(job, selection)
    return {"job_id": job.id, "folder": str(results_folder(job)), **done._asdict()}


def selection_of(include: list[str] | None, exclude: list[str] | None, max_size: str | None) -> "Selection | None":
    """Which files are meant; None where nothing is said. ConfigError for what is no size."""
    from tasuki.hpc.results import Selection

    if not (include or exclude or max_size):
        return None
    return Selection(tuple(include or ["*"]), tuple(exclude or []), size_of(max_size))


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
