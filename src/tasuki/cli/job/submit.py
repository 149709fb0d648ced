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


WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DIR... | -- CMD...]", help="At a host: folders of inputs, one per job; else a command after `--`."),
]
OnOption = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="WHERE",
        help="local, replicate, or a host of `tasuki hpc list`.",
        autocompletion=complete_provider_or_host,
    ),
]
NameOption = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Name of the job.")]
EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME[=VALUE]", help="An environment variable; without a value, this shell's. May repeat."),
]
MetaOption = Annotated[
    list[str] | None, typer.Option("--meta", metavar="NAME=VALUE", help="Metadata to store with the job. May repeat.")
]
HardwareOption = Annotated[str | None, typer.Option("--hardware", metavar="NAME", help="Hardware to run on.")]
InputsOption = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="NAME=VALUE", help="An input of a model: JSON or text; @FILE sends a file. May repeat."),
]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="TEXT", help="Idempotency key: a repeated submission returns the same job.")
]
ProfileOption = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="At a host: vasp, elk or command.")]
CommandLineOption = Annotated[
    str | None, typer.Option("--command", metavar="LINE", help="At a host: the command, as a line of sh.")
]
NodesOption = Annotated[int | None, typer.Option("--nodes", metavar="N", help="At a host: the number of nodes.")]
NtasksOption = Annotated[int | None, typer.Option("--ntasks", metavar="N", help="At a host: the number of processes on all nodes.")]
WalltimeOption = Annotated[
    str | None, typer.Option("--walltime", metavar="TIME", help="At a host: the walltime: 90m, 2h, 1:30:00.")
]
QueueNameOption = Annotated[str | None, typer.Option("--queue", metavar="NAME", help="At a host: the queue or partition.")]
AccountOption = Annotated[str | None, typer.Option("--account", metavar="NAME", help="At a host: the account to charge.")]
ModulesOption = Annotated[
    list[str] | None, typer.Option("--module", metavar="NAME", help="At a host: load this module first. May repeat.")
]
RunProjectOption = Annotated[
    str | None, typer.Option("--project", metavar="NAME", help="At a host: the project of the job's run (default: hpc).")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="At a host: refuse folders that lack an input.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="At a host: print the exact scripts and commands, and change nothing.")
]


class JobOptions(NamedTuple):
    """Options of any job: provider, arguments, name, environment, metadata."""

    on: str
    arguments: list[str]
    name: str | None
    env: dict[str, str]
    metadata: dict[str, Any]


class SubmitCommand(ExamplesCommand):
    """A command whose options may follow folders, but not the words of a program, which take them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; note options that follow words without a `--` in between."""
        parser = self.make_parser(ctx)
        parser.allow_interspersed_args = False
        words = [] if "--" in args or "--help" in args else parser.parse_args(list(args))[0].get("words") or []
        late = ctx.meta[LATE_OPTIONS_KEY] = [word for word in words if word.startswith("-")]
        if unknown := [word for word in late if word.partition("=")[0] not in parser._long_opt | parser._short_opt]:
            raise build_ambiguous_option_error(unknown[0])
        return super().parse_args(ctx, args)


def submit(  # noqa: PLR0913 - one parameter per option
    ctx: typer.Context,
    words: WordsArgument = None,
    on: OnOption = "local",
    name: NameOption = None,
    env: EnvOption = None,
    meta: MetaOption = None,
    hardware: HardwareOption = None,
    inputs: InputsOption = None,
    key: KeyOption = None,
    profile: ProfileOption = None,
    command: CommandLineOption = None,
    nodes: NodesOption = None,
    ntasks: NtasksOption = None,
    walltime: WalltimeOption = None,
    queue: QueueNameOption = None,
    account: AccountOption = None,
    module: ModulesOption = None,
    project: RunProjectOption = None,
    strict: StrictOption = False,
    dry_run: DryRunOption = False,
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
