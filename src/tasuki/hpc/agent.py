"""Client side of the agent: deploy it and hand over jobs. `agent.sh` is what runs at the host."""

import hashlib
import re
import shlex
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from tasuki.errors import ConfigError, RemoteRejected, TasukiError
from tasuki.hpc.host import Host
from tasuki.hpc.transports.protocol import CommandResult, in_shell

__all__ = ["VERSION", "JobTicket", "agent_source", "hand_over_failure", "hand_over_script"]

VERSION = 1
"""The protocol's."""
ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,14}")
FOLDERS = "jobs waiting claimed submitted done failed cancelled started flags completed cancel kick.d log seen tmp"
NO_FOLDER, NEWER_AGENT, NO_AGENT = 71, 65, 66
"""Exit codes of the script that hands over."""


class JobTicket(NamedTuple):
    """A job for the agent to submit; lowest priority first, then lowest number.

    Raise ConfigError if invalid.
    """

    id: str
    number: int
    priority: int = 5
    attempt: int = 1
    most_attempts: int | None = None

    @property
    def name(self) -> str:
        """Return the name of the ticket's file."""
        if not ID.fullmatch(self.id):
            raise ConfigError(
                f"{self.id!r} can't be a job's name in a queue", hint="a letter, then up to 14 letters, digits or '_'"
            )
        return f"{self.priority:01d}{self.number:08d}-{self.id}"

    @property
    def text(self) -> str:
        """Return the content of the ticket's file."""
        most = f"MAX_ATTEMPTS={self.most_attempts}\n" if self.most_attempts else ""
        return f"ID={self.id}\nATTEMPT={self.attempt}\n{most}"


@cache
def agent_source() -> str:
    """Return the agent as deployed: its second line identifies the version."""
    source = files("tasuki.hpc").joinpath("agent.sh").read_text()
    shebang, rest = source.split("\n", 1)
    return f"{shebang}\n# {hashlib.sha256(source.encode()).hexdigest()}\n{rest}"


def hand_over_script(site: Host, tickets: Iterable[JobTicket] = (), cancelled: Iterable[str] = ()) -> str:
    """Build the script that deploys agent and configuration, places tickets, and triggers the agent.

    Repeating it changes nothing.
    """
    return "\n".join(
        [
            "umask 077",
            f"root={in_shell(site.root)}",
            f'mkdir -p "$root" && cd "$root" || exit {NO_FOLDER}',
            *deploy_lines(site),
            *ticket_lines(tickets),
            *(f": >tmp/cancel.$$ && mv tmp/cancel.$$ cancel/{shlex.quote(id)}" for id in cancelled),
            "start=$(command -v setsid || command -v nohup)",
            "$start sh agent.sh trigger </dev/null >/dev/null 2>>log/errors &",
        ]
    )


def deploy_lines(site: Host) -> list[str]:
    """Return the lines that replace another agent by one rename, but never a newer one."""
    source = agent_source()
    mark = source.split("\n", 2)[1]
    install = [
        f"cat >agent.new.$$ <<'TASUKI_AGENT_ENDS' && mv agent.new.$$ agent.sh || exit {NO_FOLDER}",
        source + "TASUKI_AGENT_ENDS",
    ]
    return [
        "there=$(sed -n 's/^VERSION=//p' agent.sh 2>/dev/null)",
        f'[ "${{there:-0}}" -le {VERSION} ] || {{ echo "$there" >&2; exit {NEWER_AGENT}; }}',
        f"if [ \"$(sed -n 2p agent.sh 2>/dev/null)\" != '{mark}' ]; then",
        f"mkdir -p {FOLDERS} || exit {NO_FOLDER}",
        "if [ ! -d lock ]; then",
        "mkdir lock.$$ && : >lock.$$/free && mv lock.$$ lock",
        "[ ! -d lock/lock.$$ ] || rm -r lock/lock.$$  # another was faster",
        "fi",
        *(install if site.auto_deploy else [f'[ "${{there:-0}}" = {VERSION} ] || exit {NO_AGENT}']),
        f"fi || exit {NO_FOLDER}",
        f"printf %s {shlex.quote(configuration(site))} >tmp/conf.$$ && mv tmp/conf.$$ conf || exit {NO_FOLDER}",
    ]


def configuration(site: Host) -> str:
    """Return the agent's configuration."""
    values = {
        "SCHEDULER": site.scheduler,
        "MAX_QUEUED": site.max_queued,
        "MAX_RUNNING": site.max_running,
        "MAX_ATTEMPTS": site.max_attempts,
        "GRACE_SECONDS": site.grace_seconds,
        "BACKOFF_SECONDS": site.backoff_seconds,
        "WATCHDOG": int(site.watchdog),
    } | ({"PATH": site.path} if site.path else {})
    return "".join(f"{key}={value}\n" for key, value in values.items())


def ticket_lines(tickets: Iterable[JobTicket]) -> list[str]:
    """Return the lines that place tickets by one rename each, except those that exist in any state."""
    given = [f"ticket {ticket.name} {shlex.quote(ticket.text)}" for ticket in tickets]
    if not given:
        return []
    return [
        f"mkdir tmp/drop.$$ || exit {NO_FOLDER}",
        "ticket() {",
        "for state in waiting claimed submitted done failed cancelled waiting claimed; do",
        'if [ -e "$state/$1" ]; then return; fi',
        "done",
        f'printf %s "$2" >"tmp/drop.$$/$1" || exit {NO_FOLDER}',
        "}",
        *given,
        "for any in tmp/drop.$$/*; do",
        f'if [ -e "$any" ]; then mv tmp/drop.$$/* waiting/ || exit {NO_FOLDER}; fi',
        "break",
        "done",
        "rmdir tmp/drop.$$",
    ]


def hand_over_failure(site: Host, done: CommandResult) -> TasukiError | None:
    """Return why nothing was handed over; None on success."""
    reason = done.errors.strip().splitlines()[-1:] or ["no reason was given"]
    match done.code:
        case 0:
            return None
        case _ if done.code == NEWER_AGENT:
            return RemoteRejected(
                f"the agent on {site.name} speaks version {reason[0]} of the protocol, this tasuki version {VERSION}",
                hint="pip install --upgrade tasuki",
            )
        case _ if done.code == NO_AGENT:
            return RemoteRejected(f"there is no agent on {site.name}, or an old one", hint="set auto_deploy, or: tasuki hpc doctor")
    return RemoteRejected(f"{site.name} can't write to {site.root}: {reason[0]}", hint="is there room, and may you?")
