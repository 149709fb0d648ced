"""Checks of a host, made in one command."""

from typing import NamedTuple

from tasuki.errors import RemoteError
from tasuki.hpc.agent import VERSION, agent_source
from tasuki.hpc.host import Host
from tasuki.hpc.transports.protocol import HostTransport, in_shell

__all__ = ["HostCheck", "examine"]

COMMANDS = {"pbs": ("qsub", "qstat", "qdel"), "slurm": ("sbatch", "squeue", "scancel")}
QUEUES = {"pbs": "qstat -Q", "slurm": "squeue --noheader --state=RUNNING"}
"""What succeeds where the scheduler answers, however many jobs there are."""
LEAST_KIB = 100 * 1024


class HostCheck(NamedTuple):
    """Result of one check."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


async def examine(site: Host, transport: HostTransport) -> list[HostCheck]:
    """Run every check; only the first if nobody is logged in."""
    try:
        await transport.open()
        done = await transport.exec(script(site))
    except RemoteError as error:
        return [HostCheck("login", False, error.message, error.hint or "")]
    said = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    return [HostCheck("login", True, f"at {site.host} as {said.get('user', '?')}"), *checks(site, said)]


def script(site: Host) -> str:
    """Build the script of all checks; every answer is a line NAME=VALUE."""
    commands = " ".join(COMMANDS[site.scheduler])
    return f"""
PATH={in_shell(site.path)}${{PATH:+:$PATH}}
echo "user=$(id -un)"
for name in {commands}; do
    found=$(command -v $name || (. /etc/profile >/dev/null 2>&1; command -v $name))
    echo "$name=$found"
done
ask() {{
    command -v {COMMANDS[site.scheduler][1]} || . /etc/profile
    {QUEUES[site.scheduler]}
}}
echo "queue=$( (ask) >/dev/null 2>&1 </dev/null && echo answers || echo silent)"
root={in_shell(site.root)}
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


def checks(site: Host, said: dict[str, str]) -> list[HostCheck]:
    """Interpret the answers."""
    missing = [name for name in COMMANDS[site.scheduler] if not said.get(name)]
    found = [
        HostCheck(
            "scheduler",
            not missing,
            f"no {', '.join(missing)}" if missing else said[COMMANDS[site.scheduler][0]],
            f"tasuki hpc add {site.name} --host {site.host} --path FOLDER" if missing else "",
        )
    ]
    answers = said.get("queue") == "answers"
    silent = f"{QUEUES[site.scheduler]} fails"
    found.append(HostCheck("queue", answers, "answers" if answers else silent, "" if answers else "try it there"))
    if said.get("root") == "missing":
        return [*found, HostCheck("folder", True, f"{site.root} is made by the first sync")]
    if said.get("root") == "impossible":
        return [*found, HostCheck("folder", False, f"{site.root} can't be made", "another --root")]
    room = said.get("room", "")
    enough = not room.isdecimal() or int(room) >= LEAST_KIB
    current = said.get("agent") == agent_source().split("\n", 2)[1]
    newer = said.get("version", "").isdecimal() and int(said["version"]) > VERSION
    return [
        *found,
        HostCheck("folder", said.get("root") == "writable", f"{site.root} is {said.get('root')}"),
        HostCheck(
            "room", enough, f"{int(room) // 1024} MiB" if room.isdecimal() else "unknown", "" if enough else "remove old jobs"
        ),
        HostCheck(
            "agent",
            not newer,
            f"version {said.get('version') or 'unknown'}, {'this one' if current else 'another one than this tasuki has'}",
            "pip install --upgrade tasuki" if newer else "" if current else f"tasuki hpc sync {site.name}",
        ),
    ]
