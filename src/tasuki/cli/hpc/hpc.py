"""The command group `tasuki hpc`: hosts, logins, syncs."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasuki.cli.hpc.jobs import count_jobs, get_host, open_host_transport, plan_sync, run_async, show_transfer_progress, sync_host
from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, ExamplesCommand, load_command_settings
from tasuki.cli.shared.output import Table, write_result
from tasuki.errors import ConfigError

if TYPE_CHECKING:
    from tasuki.hpc.host import Host
    from tasuki.hpc.transports.openssh import OpenSSHTransport
    from tasuki.hpc.transports.protocol import HostTransport

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run jobs in a PBS or Slurm queue behind ssh.")
HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="The host's name, as given to `tasuki hpc add`.")]


def require_openssh(host: "Host") -> "OpenSSHTransport":
    """Return the OpenSSH transport of a host. Raise ConfigError for another transport."""
    from tasuki.hpc.transports.openssh import OpenSSHTransport

    transport = open_host_transport(host)
    if not isinstance(transport, OpenSSHTransport):
        raise ConfigError(f"{host.name} is reached by {host.transport}: nobody logs in there", hint="that is for openssh")
    return transport


@app.command(cls=ExamplesCommand, epilog="tasuki hpc add bebop --host bebop --scheduler pbs --max-queued 40 --max-running 30")
def add(  # noqa: PLR0913 - options
    name: Annotated[str, typer.Argument(metavar="HOST", help="Name for the host in tasuki commands.")],
    host: Annotated[str, typer.Option("--host", help="Host name for ssh; ssh_config applies.")],
    scheduler: Annotated[str, typer.Option("--scheduler", help="pbs or slurm.")] = "pbs",
    root: Annotated[str, typer.Option("--root", help="Folder of the agent and its jobs at the host.")] = "$HOME/tasuki",
    max_queued: Annotated[int, typer.Option("--max-queued", help="Keep at most this many jobs in the queue.")] = 40,
    max_running: Annotated[int, typer.Option("--max-running", help="Submit nothing while this many jobs run.")] = 30,
    transport: Annotated[str, typer.Option("--transport", help="openssh, asyncssh or local.")] = "openssh",
    path: Annotated[str, typer.Option("--path", help="Folders of the scheduler's commands, if they are not on the PATH.")] = "",
    watchdog: Annotated[
        bool, typer.Option("--watchdog", help="Keep a watchdog job in the queue that detects jobs killed without notice.")
    ] = False,
    ssh_config: Annotated[str | None, typer.Option("--ssh-config", help="Use this file instead of ~/.ssh/config.")] = None,
    dir: Dir = None,
) -> None:  # fmt: skip
    """Add a host with a queue."""
    from tasuki.hpc.host import Host, HostsFile
    from tasuki.jobs import PROVIDERS

    if name in PROVIDERS:
        raise ConfigError(f"{name!r} is where jobs run already", hint="another name for the host")
    site = Host(
        name=name, host=host, scheduler=scheduler, root=root, max_queued=max_queued, max_running=max_running, transport=transport,
        path=path, ssh_config=ssh_config, watchdog=watchdog,
    )  # fmt: skip
    HostsFile(load_command_settings(dir).dir).add(site)
    print_message(f"{name} is {host}; next: tasuki hpc login {name}" if transport == "openssh" else f"{name} is {host}")


@app.command("list", cls=ExamplesCommand, epilog="tasuki hpc list\ntasuki hpc list --json")
def list_command(as_json: AsJson = False, dir: Dir = None) -> None:
    """List the hosts."""
    from tasuki.hpc.host import HostsFile

    columns = ["name", "host", "scheduler", "root", "max_queued", "max_running"]
    rows = [[getattr(site, column) for column in columns] for site in HostsFile(load_command_settings(dir).dir).list_hosts()]
    data = {"hosts": [dict(zip(columns, row, strict=True)) for row in rows]}
    write_result("hpc-list/1", data, Table(columns, rows), as_json=as_json)


@app.command(cls=ExamplesCommand, epilog="tasuki hpc remove bebop")
def remove(name: HostArgument, dir: Dir = None) -> None:
    """Remove a host from the configuration. Its jobs continue, and are known again once it is added."""
    from tasuki.hpc.host import HostsFile
    from tasuki.jobs import JobStatus

    settings = load_command_settings(dir)
    found = run_async(count_jobs(settings, get_host(name, settings)))
    HostsFile(settings.dir).remove(name)
    if active := sum(number for status, number in found.items() if JobStatus(status).is_active):
        print_message(f"note: {active} jobs at {name} are not over; add it again to hear of them")


@app.command(cls=ExamplesCommand, epilog="tasuki hpc login bebop")
def login(name: HostArgument, dir: Dir = None) -> None:
    """Log in with whatever the host asks for; other commands share the login for 8 hours."""
    site = get_host(name, load_command_settings(dir))
    print_message(f"logged in at {site.host}" if require_openssh(site).login() else f"somebody is logged in at {site.host} already")


@app.command(cls=ExamplesCommand, epilog="tasuki hpc logout bebop")
def logout(name: HostArgument, dir: Dir = None) -> None:
    """End the login. Jobs continue."""
    site = get_host(name, load_command_settings(dir))
    print_message(f"logged out of {site.host}" if require_openssh(site).logout() else f"nobody was logged in at {site.host}")


@app.command(cls=ExamplesCommand, epilog="tasuki hpc sync bebop --dry-run\ntasuki hpc sync bebop --download")
def sync(
    name: HostArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, without contacting the host.")] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch the results of finished jobs.")] = False,
    dir: Dir = None,
) -> None:
    """Upload and submit waiting jobs, and fetch news of all jobs. Repeat it after any failure."""
    settings = load_command_settings(dir)
    site = get_host(name, settings)
    if dry_run:
        print_json_line(run_async(plan_sync(settings, site)))
        return
    with show_transfer_progress() as told:
        done = run_async(sync_host(settings, site, open_host_transport(site), told, download=download))
    for error in done.errors:
        print_message(f"note: {error}")
    print_json_line({key: value for key, value in done._asdict().items() if key != "errors"})


def print_json_line(data: dict[str, Any]) -> None:
    """Print one JSON object to stdout."""
    typer.echo(json.dumps(data))


@app.command(cls=ExamplesCommand, epilog="tasuki hpc status bebop")
def status(name: HostArgument, as_json: AsJson = False, dir: Dir = None) -> None:
    """Show logins, and the number of jobs by state."""
    settings = load_command_settings(dir)
    site = get_host(name, settings)
    transport = open_host_transport(site)
    live = is_logged_in(transport)
    found = run_async(count_jobs(settings, site))
    data = {"host": site.name, "logged_in": live, "jobs": found}
    rows: list[list[Any]] = [
        ["logged in", "yes" if live else f"no: tasuki hpc login {name}"],
        *([state, number] for state, number in found.items()),
    ]
    write_result("hpc-status/1", data, Table(["what", "value"], rows), as_json=as_json)


def is_logged_in(transport: "HostTransport") -> bool:
    """Return whether there is a login."""
    from tasuki.errors import RemoteUnavailable

    try:
        run_async(transport.open())
    except RemoteUnavailable:
        return False
    return True


@app.command(cls=ExamplesCommand, epilog="tasuki hpc doctor bebop")
def doctor(name: HostArgument, as_json: AsJson = False, dir: Dir = None) -> None:
    """Check a host: login, scheduler commands, agent, and disk space. Exit with 1 if something is wrong."""
    from tasuki.hpc.host_check import check_host

    site = get_host(name, load_command_settings(dir))
    found = run_async(check_host(site, open_host_transport(site)))
    data = {"host": name, "checks": [check._asdict() for check in found]}
    rows = [["ok" if check.ok else "broken", check.name, check.detail, check.hint] for check in found]
    write_result("hpc-doctor/1", data, Table(["state", "check", "detail", "hint"], rows), as_json=as_json)
    if not all(check.ok for check in found):
        raise typer.Exit(1)
