"""The command group `tasuki job`: list, show, cancel, retry, and fetch jobs."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.hpc.jobs import build_file_filter, fetch_results, require_host, run_async, show_transfer_progress
from tasuki.cli.job.options import complete_job, complete_provider, complete_provider_or_host, complete_status
from tasuki.cli.job.submit import EXAMPLES, SubmitCommand, submit
from tasuki.cli.job.tables import build_job_table, build_jobs_table, get_provider_name, job_to_dict, strip_escape_sequences
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, Remote, confirm, load_command_settings, open_jobs_target
from tasuki.cli.shared.output import Table, is_terminal, write_json, write_result
from tasuki.cli.shared.parsing import parse_duration
from tasuki.errors import ConfigError, RemoteUnavailable

if TYPE_CHECKING:
    from tasuki.jobs import JobView

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Submit jobs, here or elsewhere, watch and cancel them.")
app.command(cls=SubmitCommand, epilog=EXAMPLES)(submit)
JobArgument = Annotated[str, typer.Argument(metavar="ID", help="A job's id, or a unique prefix.", autocompletion=complete_job)]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Job ids, or unique prefixes.", autocompletion=complete_job)]
EXIT_CONDITION_FALSE = 7
LIST_EXAMPLES = """\
tasuki job list
tasuki job list --active --sync
tasuki job list --status failed --json"""
DEFAULT_LIMIT = 50


# -- asking


@app.command("list", cls=ExamplesCommand, epilog=LIST_EXAMPLES)
def list_command(  # noqa: PLR0913 - which of them
    active: Annotated[bool, typer.Option("--active", help="List only unfinished jobs.")] = False,
    refresh: Annotated[bool, typer.Option("--sync", help="Refresh active jobs from their providers before listing.")] = False,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="STATUS", help="Show only this status. May repeat.", autocompletion=complete_status),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            "--provider",
            metavar="WHERE",
            help="List only jobs of this provider or host.",
            autocompletion=complete_provider_or_host,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="List at most the N latest jobs.")] = DEFAULT_LIMIT,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """List jobs, the latest last; with --active, all unfinished ones.

    A time, a cost or a progress that is not known is left out. `sync_state` says whether what is shown is fresh.
    """
    from tasuki.jobs import PROVIDERS, JobStatus
    from tasuki.sdk.jobs import ListOptions

    most = None if active else limit
    wanted = select_statuses(status or [], [one.value for one in JobStatus if one.is_active] if active else [])
    with open_jobs_target(dir, remote) as asked:
        if on is None or on in PROVIDERS:
            found = asked.list(ListOptions(statuses=wanted, provider=on, limit=most, refresh=refresh))
            jobs, total = found.jobs, found.total
        else:
            if remote is None:
                require_host(on, load_command_settings(dir))
            found = asked.list(ListOptions(statuses=wanted, provider="hpc", limit=None, refresh=refresh))
            at_host = [job for job in found.jobs if job.metadata.get("site") == on]
            jobs, total = at_host[:most], len(at_host)
    jobs = jobs[::-1]
    write_result(
        "job-list/1", {"jobs": [job_to_dict(job) for job in jobs], "total": total}, build_jobs_table(jobs), as_json=as_json
    )
    if total > len(jobs):
        print_message(f"note: the latest {len(jobs):,} of {total:,} jobs; --limit {total} lists all")


def select_statuses(requested: list[str], active: list[str]) -> tuple[str, ...]:
    """Return the selected statuses. Raise ConfigError for an unknown one."""
    from tasuki.jobs import JobStatus

    for status in requested:
        if status not in set(JobStatus):
            raise ConfigError(f"there is no status {status!r}", hint=f"one of {', '.join(JobStatus)}; or --active")
    chosen = [status for status in requested or active if not active or status in active]
    if requested and not chosen:
        raise ConfigError(f"no active job is {' or '.join(requested)}", hint="leave out --active")
    return tuple(chosen)


@app.command("show", cls=ExamplesCommand, epilog="tasuki job show 3f9c\ntasuki job show 3f9c --json")
def show_command(id: JobArgument, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show all facts of a job."""
    with open_jobs_target(dir, remote) as asked:
        job = asked.get(id)
    print_job("job-show/1", job, as_json=as_json)


def print_job(schema: str, job: "JobView", *, as_json: bool) -> None:
    """Print one job."""
    write_result(schema, {"job": job_to_dict(job)}, build_job_table(job, skip_empty=is_terminal()), as_json=as_json)


@app.command("logs", cls=ExamplesCommand, epilog="tasuki job logs 3f9c | tail\ntasuki job logs 3f9c -f")
def logs_command(
    id: JobArgument,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Follow the logs until the job has ended.")] = False,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Print a job's logs, of all its attempts.

    On a terminal, escape sequences (colors, cursor moves) are removed. With --json and -f, everything is printed at the end.
    """
    shown = strip_escape_sequences if is_terminal() else str
    with open_jobs_target(dir, remote) as asked:
        if as_json:
            write_json("job-logs/1", {"job_id": asked.get(id).job_id, "lines": list(asked.iter_log_lines(id, follow=follow))})
            return
        if follow:
            warn_if_stale(asked.get(id, refresh=True))
        for line in asked.iter_log_lines(id, follow=follow):
            sys.stdout.write(f"{shown(line)}\n")
            if follow:
                sys.stdout.flush()
        job = asked.get(id)
        if follow:
            print_message(f"{job.job_id} is {job.status}")
        else:
            warn_if_stale(job)


def warn_if_stale(job: "JobView") -> None:
    """Warn why the logs may be incomplete."""
    site = job.metadata.get("site") if job.provider == "hpc" else None
    if job.is_active and job.sync_state != "fresh":
        hint = f"tasuki hpc login {site}" if site else "tasuki job list --sync"
        print_message(f"note: {get_provider_name(job)} can't be asked now, so there may be more: {hint}")
    elif site and job.status == "pending":
        print_message(f"note: {job.job_id} waits for: tasuki hpc sync {site}")


@app.command(cls=ExamplesCommand, epilog="tasuki job wait 3f9c\ntasuki job wait 3f9c --timeout 2h && python evaluate.py")
def wait(
    id: JobArgument,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="DURATION", help="Wait at most this long: 90s, 10min, 2h (default: no limit)."),
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Wait until a job has ended.

    Exits with 0 when it has completed, with 1 when it has failed or was cancelled, and with 7 when the time is over.
    """
    from tasuki.sdk.jobs import wait_for_job

    limit = None if timeout is None else parse_duration(timeout)
    with open_jobs_target(dir, remote) as asked:
        job = wait_for_job(asked, id, limit)
    print_job("job-wait/1", job, as_json=as_json)
    if job.is_active:
        print_message(f"the time is over: {job.job_id} is {job.status}")
        raise typer.Exit(EXIT_CONDITION_FALSE)
    if job.status != "completed":
        print_message(
            f"{job.job_id} is {job.status}" + (f": {job.error_message}" if job.error_message not in (None, job.status) else "")
        )
        raise typer.Exit(1)


@app.command(cls=ExamplesCommand, epilog="tasuki job cost\ntasuki job cost --json")
def cost(as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Show what all jobs have cost, by provider, in USD.

    Of jobs that are not over, what they have cost so far is not among it.
    """
    with open_jobs_target(dir, remote) as asked:
        found = asked.metrics()
    data: dict[str, Any] = {
        "cost_usd": found.cost_usd,
        "by_provider": found.cost_by_provider,
        "jobs": found.total,
        "by_status": found.by_status,
    }
    rows = [*sorted(found.cost_by_provider.items()), ("all", found.cost_usd)]
    write_result("job-cost/1", data, Table(["provider", "cost_usd"], rows), as_json=as_json)


# -- doing


@app.command("sync", cls=ExamplesCommand, epilog="tasuki job sync\ntasuki job sync --provider replicate")
def sync_command(
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="Sync only this provider.", autocompletion=complete_provider)
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Discover jobs in the lists of all providers, also those submitted elsewhere.

    Exits with 5 if one of them can't be asked; what the others said is kept.
    """
    with open_jobs_target(dir, remote) as asked:
        found = asked.sync(provider)
    data = {"synced": found.synced, "updated": found.updated, "message": found.message, "errors": found.errors}
    table = Table(["synced", "updated", "message"], [[found.synced, found.updated, found.message]], ["message"])
    write_result("job-sync/1", data, table, as_json=as_json)
    if found.errors:
        raise RemoteUnavailable("; ".join(found.errors))


@app.command(cls=ExamplesCommand, epilog="tasuki job cancel 3f9c\ntasuki job cancel 3f9c 81ab")
def cancel(ids: Ids, as_json: AsJson = False, dir: Dir = None, remote: Remote = None) -> None:
    """Cancel jobs. A local one gets TERM, and KILL 10 s later (`providers.local.kill_seconds`).

    Waits for the end of those of this machine. Exits with 4 for one that is over already.
    """
    from datetime import timedelta

    from tasuki.jobs import JobType
    from tasuki.sdk.jobs import JobAction, wait_for_job

    patience = timedelta(seconds=load_command_settings(dir).providers.local.kill_seconds + 5)
    with open_jobs_target(dir, remote) as asked:
        jobs = [asked.perform(id, JobAction.CANCEL) for id in ids]
        jobs = [wait_for_job(asked, job.job_id, patience) if job.job_type is JobType.LOCAL else job for job in jobs]
    write_result("job-cancel/1", {"jobs": [job_to_dict(job) for job in jobs]}, build_jobs_table(jobs), as_json=as_json)
    for job in jobs:
        if not job.is_terminal:
            again = f"by the next: tasuki hpc sync {job.metadata.get('site')}" if job.provider == "hpc" else "again"
            print_message(
                f"note: that {job.job_id} is to end is on record; {job.provider} has not confirmed it, and is told {again}"
            )


@app.command(cls=ExamplesCommand, epilog="tasuki job retry 3f9c\ntasuki job retry 3f9c --from CONTCAR")
def retry(
    id: JobArgument,
    restart: Annotated[
        str | None, typer.Option("--from", metavar="OUTPUT", help="In a queue: start from this output of the last attempt.")
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Start a new attempt of a finished job. Exit with 4 if it has not ended.

    One in a queue waits for the next `tasuki hpc sync`.
    """
    with open_jobs_target(dir, remote) as asked:
        job = asked.retry(id, restart)
    write_result("job-retry/1", {"job": job_to_dict(job)}, build_jobs_table([job]), as_json=as_json)


@app.command(cls=ExamplesCommand, epilog="tasuki job fetch 3f9c\ntasuki job fetch 3f9c --include 'OUT*' --max-size 100M")
def fetch(
    id: JobArgument,
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help="Fetch only these files. May repeat.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Skip these files. May repeat.")] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="Fetch no file larger than this: 500K, 100M, 2G.")
    ] = None,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Fetch the results of an HPC job into `results` beside its inputs.

    What is missing or different comes, verified by its hash; what was here before is kept under another name.
    """
    selection = build_file_filter(include, exclude, max_size)
    with show_transfer_progress() as told:
        done = run_async(fetch_results(load_command_settings(dir), id, selection, told))
    write_result("job-fetch/1", done, Table(["file"], [[name] for name in done["files"]], ["file"]), as_json=as_json)
    print_message(f"{len(done['files'])} files, {done['bytes']:,} bytes, {done['unchanged']} unchanged, in {done['folder']}")
    for kept in done["kept"]:
        print_message(f"note: what was here before is kept as {kept}")


@app.command(cls=ExamplesCommand, epilog="tasuki job delete 3f9c\ntasuki job delete 3f9c 81ab --yes")
def delete(
    ids: Ids,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Delete finished jobs; a sync does not discover them again. Exit with 4 if one has not ended."""
    from tasuki.sdk.jobs import JobAction

    with open_jobs_target(dir, remote) as asked:
        jobs = [asked.get(id) for id in ids]
        if not yes:
            confirm("jobs", [job.config_name or job.job_id for job in jobs], "--yes deletes without asking")
        jobs = [asked.perform(job.job_id, JobAction.DELETE) for job in jobs]
    write_result("job-delete/1", {"jobs": [job_to_dict(job) for job in jobs]}, build_jobs_table(jobs), as_json=as_json)
