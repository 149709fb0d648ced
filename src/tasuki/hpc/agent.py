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
from tasuki.hpc.transports.protocol import CommandResult, quote_path

__all__ = ["PROTOCOL_VERSION", "JobTicket", "build_delivery_script", "find_delivery_error", "read_agent_source"]

PROTOCOL_VERSION = 1
"""The protocol's."""
ID_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,14}")
AGENT_FOLDERS = "jobs waiting claimed submitted done failed cancelled started flags completed cancel kick.d log seen tmp"
EXIT_NO_FOLDER, EXIT_NEWER_AGENT, EXIT_NO_AGENT = 71, 65, 66
"""Exit codes of the script that hands over."""


class JobTicket(NamedTuple):
    """A job for the agent to submit; lowest priority first, then lowest number.

    Raise ConfigError if invalid.
    """

    id: str
    number: int
    priority: int = 5
    attempt: int = 1
    max_attempts: int | None = None

    @property
    def file_name(self) -> str:
        """Return the name of the ticket's file."""
        if not ID_PATTERN.fullmatch(self.id):
            raise ConfigError(
                f"{self.id!r} can't be a job's name in a queue", hint="a letter, then up to 14 letters, digits or '_'"
            )
        return f"{self.priority:01d}{self.number:08d}-{self.id}"

    @property
    def file_text(self) -> str:
        """Return the content of the ticket's file."""
        most = f"MAX_ATTEMPTS={self.max_attempts}\n" if self.max_attempts else ""
        return f"ID={self.id}\nATTEMPT={self.attempt}\n{most}"


@cache
def read_agent_source() -> str:
    """Return the agent as deployed: its second line identifies the version."""
    source = files("tasuki.hpc").joinpath("agent.sh").read_text()
    shebang, rest = source.split("\n", 1)
    return f"{shebang}\n# {hashlib.sha256(source.encode()).hexdigest()}\n{rest}"


def build_delivery_script(host: Host, tickets: Iterable[JobTicket] = (), cancelled_ids: Iterable[str] = ()) -> str:
    """Build the script that deploys agent and configuration, places tickets, and triggers the agent.

    Repeating it changes nothing.
    """
    return "\n".join(
        [
            "umask 077",
            f"root={quote_path(host.root)}",
            f'mkdir -p "$root" && cd "$root" || exit {EXIT_NO_FOLDER}',
            *build_deploy_lines(host),
            *build_ticket_lines(tickets),
            *(f": >tmp/cancel.$$ && mv tmp/cancel.$$ cancel/{shlex.quote(id)}" for id in cancelled_ids),
            "start=$(command -v setsid || command -v nohup)",
            "$start sh agent.sh trigger </dev/null >/dev/null 2>>log/errors &",
        ]
    )


def build_deploy_lines(host: Host) -> list[str]:
    """Return the lines that replace another agent by one rename, but never a newer one."""
    source = read_agent_source()
    mark = source.split("\n", 2)[1]
    install = [
        f"cat >agent.new.$$ <<'TASUKI_AGENT_ENDS' && mv agent.new.$$ agent.sh || exit {EXIT_NO_FOLDER}",
        source + "TASUKI_AGENT_ENDS",
    ]
    return [
        "there=$(sed -n 's/^VERSION=//p' agent.sh 2>/dev/null)",
        f'[ "${{there:-0}}" -le {PROTOCOL_VERSION} ] || {{ echo "$there" >&2; exit {EXIT_NEWER_AGENT}; }}',
        f"if [ \"$(sed -n 2p agent.sh 2>/dev/null)\" != '{mark}' ]; then",
        f"mkdir -p {AGENT_FOLDERS} || exit {EXIT_NO_FOLDER}",
        "if [ ! -d lock ]; then",
        "mkdir lock.$$ && : >lock.$$/free && mv lock.$$ lock",
        "[ ! -d lock/lock.$$ ] || rm -r lock/lock.$$  # another was faster",
        "fi",
        *(install if host.auto_deploy else [f'[ "${{there:-0}}" = {PROTOCOL_VERSION} ] || exit {EXIT_NO_AGENT}']),
        f"fi || exit {EXIT_NO_FOLDER}",
        f"printf %s {shlex.quote(build_configuration(host))} >tmp/conf.$$ && mv tmp/conf.$$ conf || exit {EXIT_NO_FOLDER}",
    ]


def build_configuration(host: Host) -> str:
    """Return the agent's configuration."""
    values = {
        "SCHEDULER": host.scheduler,
        "MAX_QUEUED": host.max_queued,
        "MAX_RUNNING": host.max_running,
        "MAX_ATTEMPTS": host.max_attempts,
        "GRACE_SECONDS": host.grace_seconds,
        "BACKOFF_SECONDS": host.backoff_seconds,
        "WATCHDOG": int(host.watchdog),
    } | ({"PATH": host.path} if host.path else {})
    return "".join(f"{key}={value}\n" for key, value in values.items())


def build_ticket_lines(tickets: Iterable[JobTicket]) -> list[str]:
    """Return the lines that place tickets by one rename each, except those that exist in any state."""
    given = [f"ticket {ticket.file_name} {shlex.quote(ticket.file_text)}" for ticket in tickets]
    if not given:
        return []
    return [
        f"mkdir tmp/drop.$$ || exit {EXIT_NO_FOLDER}",
        "ticket() {",
        "for state in waiting claimed submitted done failed cancelled waiting claimed; do",
        'if [ -e "$state/$1" ]; then return; fi',
        "done",
        f'printf %s "$2" >"tmp/drop.$$/$1" || exit {EXIT_NO_FOLDER}',
        "}",
        *given,
        "for any in tmp/drop.$$/*; do",
        f'if [ -e "$any" ]; then mv tmp/drop.$$/* waiting/ || exit {EXIT_NO_FOLDER}; fi',
        "break",
        "done",
        "rmdir tmp/drop.$$",
    ]


def find_delivery_error(host: Host, result: CommandResult) -> TasukiError | None:
    """Return why nothing was handed over; None on success."""
    reason = result.errors.strip().splitlines()[-1:] or ["no reason was given"]
    match result.code:
        case 0:
            return None
        case _ if result.code == EXIT_NEWER_AGENT:
            return RemoteRejected(
                f"the agent on {host.name} speaks version {reason[0]} of the protocol, this tasuki version {PROTOCOL_VERSION}",
                hint="pip install --upgrade tasuki",
            )
        case _ if result.code == EXIT_NO_AGENT:
            return RemoteRejected(f"there is no agent on {host.name}, or an old one", hint="set auto_deploy, or: tasuki hpc doctor")
    return RemoteRejected(f"{host.name} can't write to {host.root}: {reason[0]}", hint="is there room, and may you?")
