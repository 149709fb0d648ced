"""`tasuki hpc submit` and its kin: calculations are submitted, listed, looked at, ended, tried again and brought home."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasuki.cli.command import AsJson, Dir, Examples, settings_for
from tasuki.cli.hpc import app, opened, print_line, site_named
from tasuki.cli.output import Table, write
from tasuki.cli.talk import say
from tasuki.clock import SYSTEM, datetime_from_us

if TYPE_CHECKING:
    from tasuki.hpc.calculation import Calculation, Wanted
    from tasuki.hpc.site import Site
    from tasuki.hpc.transport import Transport
    from tasuki.jobs.queues import Queues, Synced
    from tasuki.settings import Settings

__all__ = ["app", "counts", "sync_once", "would_send"]

On = Annotated[str, typer.Option("--on", metavar="HOST", help="A host's name, as `tasuki hpc add` has it.")]
Id = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or a unique beginning of it.")]
FOLLOW_SECONDS = 2.0
SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def queues_of(settings: "Settings") -> "AbstractAsyncContextManager[Queues]":
    """The jobs of a data folder, for a block. What it takes is imported with the first."""
    from tasuki.jobs import queues

    return queues.queues_of(settings)


# -- what `tasuki hpc sync` and `status` do


async def sync_once(settings: "Settings", site: "Site", transport: "Transport", *, download: bool, project: str | None) -> "Synced":
    """One sync."""
    from tasuki.jobs.queues import QueueSync

    async with queues_of(settings) as queues:
        return await QueueSync(queues, site, transport).once(download=download, project=project or settings.project)


async def would_send(settings: "Settings", site: "Site") -> None:
    """Say what a sync would send."""
    from tasuki.jobs.queues import hpc_id, timestamp
    from tasuki.records import JobStatus

    waiting = []
    if settings.journal_root.is_dir():
        async with queues_of(settings) as queues:
            for job in await queues.active(site.name):
                if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
                    waiting.append((hpc_id(job), queues.plan(job)))
    for id, made in waiting:
        show_plan(id, made, site)
    print_line({
        "uploaded": len(waiting), "submitted": 0, "completed": 0, "failed": 0, "timestamp": timestamp(SYSTEM.now_us()),
    })  # fmt: skip


async def counts(settings: "Settings", site: "Site") -> dict[str, int]:
    """How many jobs stand where."""
    async with queues_of(settings) as queues:
        return dict(Counter(job.status.value for job in await queues.all(site.name)))


def show_plan(id: str, made: "Calculation", site: "Site") -> None:
    """The exact scripts of a job, and what submits them."""
    for name, text in made.scripts(id, site.scheduler).items():
        typer.echo(f"# {site.root}/jobs/{id}/.run/{name}\n{text.strip()}\n")
    for name in made.inputs:
        typer.echo(f"# {site.root}/jobs/{id}/{name} <- {made.folder / name}")
    submit = {
        "pbs": f"qsub -N {id} -r n -j oe -o .run/scheduler.out",
        "slurm": f"sbatch --parsable --no-requeue --job-name={id} --output=.run/scheduler.out",
    }
    typer.echo(f"# cd {site.root}/jobs/{id} && {submit[site.scheduler]} .run/job.sh\n")


# -- submit


@app.command(cls=Examples, epilog="tasuki hpc submit calc/* --on bebop --profile vasp --walltime 2h --dry-run")
def submit(  # noqa: PLR0913 - options
    folders: Annotated[list[str], typer.Argument(metavar="DIR...", help="Folders with the inputs, one a job.")],
    on: On,
    profile: Annotated[str | None, typer.Option("--profile", help="vasp, elk or command.")] = None,
    command: Annotated[str | None, typer.Option("--command", help="What runs there, as a line of sh.")] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", help="How many nodes.")] = None,
    ntasks: Annotated[int | None, typer.Option("--ntasks", help="How many processes on all of them.")] = None,
    walltime: Annotated[str | None, typer.Option("--walltime", help="For how long at most: 90m, 2h, 1:30:00.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="The queue or partition.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Whose time it is.")] = None,
    module: Annotated[list[str] | None, typer.Option("--module", help="Load this first; may be repeated.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse folders in which an input is missing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the exact scripts and commands, and change nothing.")] = False,
    dir: Dir = None,
) -> None:  # fmt: skip
    """Put calculations on record, for the next sync to bring to the host. `job.toml` beside the inputs may say the same."""
    from tasuki.hpc.calculation import Wanted

    wanted = Wanted(
        profile=profile,
        command=command,
        nodes=nodes,
        ntasks=ntasks,
        walltime=walltime,
        queue=queue,
        account=account,
        modules=module,
    )
    settings = settings_for(dir)
    site = site_named(on, settings)
    if not asyncio.run(submit_all(settings, site, [Path(folder) for folder in folders], wanted, strict=strict, dry_run=dry_run)):
        raise typer.Exit(1)


async def submit_all(
    settings: "Settings", site: "Site", folders: list[Path], wanted: "Wanted", *, strict: bool, dry_run: bool
) -> bool:
    """Submit each; one that can't be is said, and the others go on. Whether all could."""
    from tasuki.errors import TasukiError
    from tasuki.hpc.calculation import calculation

    failures = 0
    for number, folder in enumerate(folders):
        try:
            if dry_run:
                made = calculation(folder, wanted, strict=strict)
                show_plan(f"dryrun{number}", made, site)
                warnings = made.warnings
            else:
                async with queues_of(settings) as queues:
                    job, warnings = await queues.submit(site, folder, wanted, strict=strict)
                typer.echo(f"{job.id}\t{job.config_name}")
        except (TasukiError, FileNotFoundError) as error:
            failures += 1
            say(f"error: {error}")
            continue
        for warning in warnings:
            say(f"note: {warning}")
    return failures == 0


# -- look


@app.command(cls=Examples, epilog="tasuki hpc jobs\ntasuki hpc jobs --on bebop --json")
def jobs(
    on: Annotated[str | None, typer.Option("--on", metavar="HOST", help="Only those of this host.")] = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """List calculations, the oldest first."""

    from tasuki.jobs.queues import site_of

    async def listed() -> None:
        async with queues_of(settings_for(dir)) as queues:
            found = await queues.all(on)
        columns = ["id", "name", "host", "status", "word", "attempt", "created", "error"]
        rows = [
            [
                job.id, job.config_name, site_of(job), job.status, job.raw_status, job.attempt, datetime_from_us(job.created),
                job.error_message,
            ]
            for job in found
        ]  # fmt: skip
        data = {"jobs": [dict(zip(columns, row, strict=True)) for row in rows]}
        write("hpc-jobs/1", data, Table(columns, rows), as_json=as_json)

    asyncio.run(listed())


@app.command(cls=Examples, epilog="tasuki hpc logs 3f9c -f")
def logs(
    id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    dir: Dir = None,
) -> None:
    """Print what a job has written to its standard output."""
    from tasuki.hpc.transport import in_shell
    from tasuki.jobs.queues import hpc_id, site_of

    async def printed() -> None:
        settings, offset = settings_for(dir), 0
        async with queues_of(settings) as queues:
            job = await queues.job(id)
            site = site_named(site_of(job), settings)
            transport = opened(site)
            place = f"{in_shell(site.root)}/jobs/{hpc_id(job)}"
            flag = f"{in_shell(site.root)}/flags/{hpc_id(job)}.{job.attempt}"
            while True:
                done = await transport.exec(f"[ -e {flag} ] && echo over || echo runs; tail -c +{offset + 1} {place}/stdout.txt")
                state, _, text = done.output.partition(b"\n")
                offset += len(text)
                typer.echo(text.decode(errors="replace"), nl=False)
                if not follow or state == b"over":
                    return
                await asyncio.sleep(FOLLOW_SECONDS)

    asyncio.run(printed())


# -- end, again


@app.command(cls=Examples, epilog="tasuki hpc cancel 3f9c")
def cancel(id: Id, dir: Dir = None) -> None:
    """End a job: here if it waits, there with the next sync."""
    from tasuki.jobs.queues import site_of

    async def cancelled() -> None:
        async with queues_of(settings_for(dir)) as queues:
            job = await queues.cancel(await queues.job(id))
        say(f"job {job.id} is cancelled" if job.status.is_final else f"next: tasuki hpc sync {site_of(job)}")

    asyncio.run(cancelled())


@app.command(cls=Examples, epilog="tasuki hpc retry 3f9c\ntasuki hpc retry 3f9c --from CONTCAR")
def retry(
    id: Id,
    restart: Annotated[
        str | None, typer.Option("--from", metavar="OUTPUT", help="Begin from this output of the last attempt.")
    ] = None,
    dir: Dir = None,
) -> None:
    """Try a job that is over again, as a new attempt, with the next sync."""
    from tasuki.jobs.queues import site_of

    async def again() -> None:
        async with queues_of(settings_for(dir)) as queues:
            job = await queues.retry(await queues.job(id), restart)
        say(f"attempt {job.attempt} of job {job.id} waits; next: tasuki hpc sync {site_of(job)}")

    asyncio.run(again())


@app.command(cls=Examples, epilog="tasuki hpc fetch 3f9c\ntasuki hpc fetch 3f9c --include 'OUT*' --max-size 100M")
def fetch(
    id: Id,
    include: Annotated[list[str] | None, typer.Option("--include", metavar="GLOB", help="Files to fetch; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Files to leave.")] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="No file larger than this: 500K, 100M, 2G.")
    ] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Where the run of it is recorded.")] = None,
    dir: Dir = None,
) -> None:
    """Bring a job's results here, into `results` beside its inputs: what is missing or different, verified by its hash."""
    from tasuki.hpc.results import Selection
    from tasuki.jobs.queues import QueueSync, results_folder, site_of

    chosen = bool(include or exclude or max_size)
    selection = Selection(tuple(include or ["*"]), tuple(exclude or []), size_of(max_size)) if chosen else None

    async def fetched() -> None:
        settings = settings_for(dir)
        async with queues_of(settings) as queues:
            job = await queues.job(id)
            site = site_named(site_of(job), settings)
            done = await QueueSync(queues, site, opened(site)).fetch(job, selection, project=project or settings.project)
        say(f"{len(done.files)} files, {done.bytes:,} bytes, {done.unchanged} unchanged, in {results_folder(job)}")
        for kept in done.kept:
            say(f"note: what was here before is kept as {kept}")

    asyncio.run(fetched())


def size_of(text: str | None) -> int | None:
    """Bytes, from text with a unit. ConfigError for anything else."""
    from tasuki.errors import ConfigError

    if text is None:
        return None
    number, unit = text[:-1], text[-1:].upper()
    if unit in SUFFIXES and number.isdecimal():
        return int(number) * SUFFIXES[unit]
    if text.isdecimal():
        return int(text)
    raise ConfigError(f"{text!r} is no size", hint="like 500K, 100M or 2G")
