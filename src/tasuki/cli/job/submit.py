"""The command `tasuki job submit`: a local command, a provider's model, or folders at an HPC host."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tasuki.cli.hpc.jobs import plan_submit, print_plan, require_host, run_async, submit_all
from tasuki.cli.job.options import complete_provider_or_host, parse_environment, parse_inputs, parse_pairs
from tasuki.cli.job.tables import job_to_dict
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, Remote, load_command_settings, open_jobs_target
from tasuki.cli.shared.output import write_json
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.hpc.host import Host

__all__ = ["EXAMPLES", "SubmitCommand", "submit"]

EXAMPLES = """\
tasuki job submit --on local -- python train.py --lr 0.1
tasuki job submit --on local --name lr-0.1 --env WANDB_MODE=offline -- python train.py
tasuki job submit --on replicate --input prompt='a sash' --input steps=1000 --key sash-1
tasuki job submit calc/* --on bebop --profile vasp --walltime 2h --dry-run"""
LATE_OPTIONS_KEY = "tasuki.late_options"


class JobOptions(NamedTuple):
    """Options of any job: provider, arguments, name, environment, metadata.

    Where, what, under which name, with which variables, what is to be remembered.
    """

    on: str
    arguments: list[str]
    name: str | None
    env: dict[str, str]
    metadata: dict[str, Any]


class SubmitCommand(ExamplesCommand):
    """A command whose options may follow folders, but not the words of a program, which take them.

    Behind the words of a command they would be the command's: it says `--` before them.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; note options that follow words without a `--` in between."""
        parser = self.make_parser(ctx)
        parser.allow_interspersed_args = False
        words = [] if "--" in args or "--help" in args else parser.parse_args(list(args))[0].get("words") or []
        late = ctx.meta[LATE_OPTIONS_KEY] = [word for word in words if word.startswith("-")]
        if unknown := [word for word in late if word.partition("=")[0] not in parser._long_opt | parser._short_opt]:
            raise build_ambiguous_option_error(unknown[0])
        return super().parse_args(ctx, args)


def submit(  # noqa: PLR0913 - what, where, under which name
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR... | -- CMD...]", help="At a host: folders with inputs, one a job. Else a command, behind `--`."
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            "--on",
            metavar="WHERE",
            help="local, replicate, or a host of `tasuki hpc list`.",
            autocompletion=complete_provider_or_host,
        ),
    ] = "local",
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What to call it.")] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME[=VALUE]", help="A variable; without a value, ours. May repeat."),
    ] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="NAME=VALUE", help="Something to remember of it. May repeat.")
    ] = None,
    hardware: Annotated[str | None, typer.Option("--hardware", metavar="NAME", help="What it is to run on.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=VALUE", help="An input, for a model: JSON or text; @FILE sends a file. May repeat."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="TEXT", help="Submitted again with the same key, it is the same job.")
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", metavar="NAME", help="At a host: vasp, elk or command.")] = None,
    command: Annotated[
        str | None, typer.Option("--command", metavar="LINE", help="At a host: what runs there, as a line of sh.")
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", metavar="N", help="At a host: how many nodes.")] = None,
    ntasks: Annotated[
        int | None, typer.Option("--ntasks", metavar="N", help="At a host: how many processes on all of them.")
    ] = None,
    walltime: Annotated[
        str | None, typer.Option("--walltime", metavar="TIME", help="At a host: for how long at most: 90m, 2h, 1:30:00.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="NAME", help="At a host: the queue or partition.")] = None,
    account: Annotated[str | None, typer.Option("--account", metavar="NAME", help="At a host: whose time it is.")] = None,
    module: Annotated[
        list[str] | None, typer.Option("--module", metavar="NAME", help="At a host: load this first. May repeat.")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="At a host: where the run of it is recorded, else `hpc`.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="At a host: refuse folders in which an input is missing.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="At a host: show the exact scripts and commands, and change nothing.")
    ] = False,
    as_json: AsJson = False,
    dir: Dir = None,
    remote: Remote = None,
) -> None:
    """Submit a job, and print its id.

    One of this machine outlives the terminal. Where two run already (`providers.local.max_running`) it waits for its turn: a server
    starts it then, or `job list`, `show`, `wait` and `logs -f`. Through a server it runs on the server's machine, which needs an
    admin token.

    At a host with a queue a folder is a job; it is on record here until `tasuki hpc sync HOST` brings it there. What options say
    `job.toml` beside the inputs may say, too.
    """
    from tasuki.jobs import PROVIDERS

    asks = {
        "--profile": profile, "--command": command, "--nodes": nodes, "--ntasks": ntasks, "--walltime": walltime, "--queue": queue,
        "--account": account, "--module": module, "--project": project, "--strict": strict, "--dry-run": dry_run,
    }  # fmt: skip
    given = JobOptions(on, words or [], name, parse_environment(env or []), parse_pairs(meta or [], "--meta"))
    if on in PROVIDERS:
        reject_options(asks, f"{on} is no host with a queue")
        if ctx.meta[LATE_OPTIONS_KEY]:
            raise build_ambiguous_option_error(ctx.meta[LATE_OPTIONS_KEY][0])
        submit_command(given, inputs or [], hardware, key, as_json=as_json, dir=dir, remote=remote)
        return
    site = require_host(on, load_command_settings(dir))
    reject_options({"--input": inputs, "--hardware": hardware, "--key": key, "--remote": remote}, f"{on} is a host with a queue")
    submit_folders(site, given, asks, as_json=as_json, dir=dir)


def build_ambiguous_option_error(option: str) -> ConfigError:
    """Build the error of an option that may be tasuki's or the program's."""
    return ConfigError(f"is {option} meant for tasuki, or for the command?", hint="tasuki job submit [OPTIONS] -- CMD...")


def reject_options(options: dict[str, Any], reason: str) -> None:
    """Raise ConfigError for an option that does not apply."""
    for option, value in options.items():
        if value:
            raise ConfigError(f"{reason}: {option} means nothing there", hint="tasuki job submit --help")


def submit_command(  # noqa: PLR0913 - options
    options: JobOptions,
    inputs: list[str],
    hardware: str | None,
    key: str | None,
    *,
    as_json: bool,
    dir: str | None,
    remote: str | None,
) -> None:
    """Submit a command on this machine, or to a provider."""
    from pathlib import Path

    from tasuki.jobs import JobRequest as JobRequest
    from tasuki.jobs import Submission

    if options.on == "local" and not options.arguments:
        raise ConfigError("there is no command to run", hint="tasuki job submit --on local -- python train.py")
    request = JobRequest(
        command=options.arguments,
        inputs=parse_inputs(inputs),
        env=options.env,
        cwd=str(Path.cwd()) if options.on == "local" and remote is None else None,
    )
    wanted = Submission(
        provider=options.on, request=request, config_name=options.name, hardware_type=hardware, metadata=options.metadata, key=key
    )
    with open_jobs_target(dir, remote) as asked:
        job = asked.submit(wanted)
    if as_json:
        write_json("job-submit/1", {"job": job_to_dict(job)})
    else:
        typer.echo(job.job_id)
    said = f": {job.error_message or job.raw_status}" if job.status in {"failed", "queued"} and job.raw_status else ""
    print_message(f"{job.job_id} is {job.status}{said}; tasuki job logs {job.job_id} -f")
    if job.status == "failed":
        raise typer.Exit(1)


def submit_folders(host: "Host", options: JobOptions, host_options: dict[str, Any], *, as_json: bool, dir: str | None) -> None:
    """Record folders as jobs of a host."""
    from tasuki.hpc.job_package import JobSpec
    from tasuki.jobs.queue.queue import SubmitOptions

    settings = load_command_settings(dir)
    if not options.arguments:
        raise ConfigError("no folder is named", hint=f"tasuki job submit DIR --on {options.on}")
    if options.name and len(options.arguments) > 1:
        raise ConfigError("one name for several jobs", hint="without --name each is called like its folder")
    wanted = JobSpec(
        profile=host_options["--profile"], command=host_options["--command"], nodes=host_options["--nodes"],
        ntasks=host_options["--ntasks"], walltime=host_options["--walltime"], queue=host_options["--queue"],
        account=host_options["--account"], modules=host_options["--module"], env=options.env or None,
    )  # fmt: skip
    terms = SubmitOptions(options.name, options.metadata, host_options["--strict"], host_options["--project"])
    if host_options["--dry-run"]:
        jobs = plan_submit(host, options.arguments, wanted, terms)
    else:
        jobs = run_async(submit_all(settings, host, options.arguments, wanted, terms))
    if as_json:
        write_json("job-submit-dry/1" if host_options["--dry-run"] else "job-submit-all/1", {"jobs": jobs})
    elif host_options["--dry-run"]:
        for plan in jobs:
            print_plan(plan)
    else:
        typer.echo("".join(f"{job['job_id']}\t{job['name']}\n" for job in jobs), nl=False)
        if jobs:
            print_message(f"{len(jobs)} on record; next: tasuki hpc sync {host.name}")
    if len(jobs) < len(options.arguments):
        raise typer.Exit(1)
