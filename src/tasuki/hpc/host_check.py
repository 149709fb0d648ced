"""Checks of a host, made in one command."""

from typing import NamedTuple

from tasuki.errors import RemoteError
from tasuki.hpc.agent import PROTOCOL_VERSION, read_agent_source
from tasuki.hpc.host import Host
from tasuki.hpc.transports.protocol import HostTransport, quote_path

__all__ = ["HostCheck", "check_host"]

SCHEDULER_COMMANDS = {"pbs": ("qsub", "qstat", "qdel"), "slurm": ("sbatch", "squeue", "scancel")}
QUEUE_COMMANDS = {"pbs": "qstat -Q", "slurm": "squeue --noheader --state=RUNNING"}
"""What succeeds where the scheduler answers, however many jobs there are."""
MIN_FREE_KIB = 100 * 1024


class HostCheck(NamedTuple):
    """Result of one check."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


async def check_host(host: Host, transport: HostTransport) -> list[HostCheck]:
    """Run every check; only the first if nobody is logged in."""
    try:
        await transport.open()
        done = await transport.exec(build_check_script(host))
    except RemoteError as error:
        return [HostCheck("login", False, error.message, error.hint or "")]
    said = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    return [HostCheck("login", True, f"at {host.host} as {said.get('user', '?')}"), *build_checks(host, said)]


def build_check_script(host: Host) -> str:
    """Build the script of all checks; every answer is a line NAME=VALUE."""
    commands = " ".join(SCHEDULER_COMMANDS[host.scheduler])
    return f"""
PATH={quote_path(host.path)}${{PATH:+:$PATH}}
echo "user=$(id -un)"
for name in {commands}; do
    found=$(command -v $name || (. /etc/profile >/dev/null 2>&1; command -v $name))
    echo "$name=$found"
done
ask() {{
    command -v {SCHEDULER_COMMANDS[host.scheduler][1]} || . /etc/profile
    {QUEUE_COMMANDS[host.scheduler]}
}}
echo "queue=$( (ask) >/dev/null 2>&1 </dev/null && echo answers || echo silent)"
root={quote_path(host.root)}
if ! cd "$root" 2>/dev/null; then
    while [ ! -d "$root" ]; do root=$(dirname "$root"); done
    echo "root=$([ -w "$root" ] && echo missing || echo impossible)"
    exit
fi
echo "root=$([ -w . ] && echo writable || echo read-only)"
echo "room=$(df -Pk . | awk 'NR == 2 {{ print $4 }}')"
echo "agent=$(sed -n 2p agent.sh 2>/dev/null)"
echo "version=$(sed -n 's/^VERSION=//p' agent.sh 2>/dev/null)"
echo "lock=$(cd lock 2>/dev/null && echo *)"
"""


def build_checks(host: Host, values: dict[str, str]) -> list[HostCheck]:
    """Interpret the answers."""
    missing = [name for name in SCHEDULER_COMMANDS[host.scheduler] if not values.get(name)]
    found = [
        HostCheck(
            "scheduler",
            not missing,
            f"no {', '.join(missing)}" if missing else values[SCHEDULER_COMMANDS[host.scheduler][0]],
            f"tasuki hpc add {host.name} --host {host.host} --path FOLDER" if missing else "",
        )
    ]
    answers = values.get("queue") == "answers"
    silent = f"{QUEUE_COMMANDS[host.scheduler]} fails"
    found.append(HostCheck("queue", answers, "answers" if answers else silent, "" if answers else "try it there"))
    if values.get("root") == "missing":
        return [*found, HostCheck("folder", True, f"{host.root} is made by the first sync")]
    if values.get("root") == "impossible":
        return [*found, HostCheck("folder", False, f"{host.root} can't be made", "another --root")]
    room = values.get("room", "")
    enough = not room.isdecimal() or int(room) >= MIN_FREE_KIB
    current = values.get("agent") == read_agent_source().split("\n", 2)[1]
    newer = values.get("version", "").isdecimal() and int(values["version"]) > PROTOCOL_VERSION
    return [
        *found,
        HostCheck("folder", values.get("root") == "writable", f"{host.root} is {values.get('root')}"),
        HostCheck(
            "room", enough, f"{int(room) // 1024} MiB" if room.isdecimal() else "unknown", "" if enough else "remove old jobs"
        ),
        HostCheck(
            "agent",
            not newer,
            f"version {values.get('version') or 'unknown'}, {'this one' if current else 'another one than this tasuki has'}",
            "pip install --upgrade tasuki" if newer else "" if current else f"tasuki hpc sync {host.name}",
        ),
    ]
