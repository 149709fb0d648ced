"""Report of the agent: log events, exit flags, and ticket states, read in one command."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tasuki.errors import RemoteUnavailable
from tasuki.hpc.host import Host
from tasuki.hpc.live_outputs import OUTPUTS_MARKER, OutputPiece, WatchedAttempt, build_outputs_script, parse_outputs
from tasuki.hpc.transports.protocol import quote_path

__all__ = [
    "AgentEvent",
    "AgentReport",
    "ExitFlag",
    "LogCursor",
    "TicketLocation",
    "TicketState",
    "build_report_script",
    "parse_event",
    "parse_report",
]

WAIT_TENTHS = 10
"""How long a report waits for the pass that was just triggered."""


class TicketState(StrEnum):
    """State of a ticket: the folder that it lies in."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TICKET_STATES = frozenset(TicketState)
ROTATED_PREFIX = "old "
"""Before lines of the log that was rotated away."""


class LogCursor(NamedTuple):
    """Read position in the log: the number of its first line, and the bytes read after it."""

    first_line: int = 0
    offset: int = 0


class AgentEvent(NamedTuple):
    """One line of the log."""

    sequence: int
    time: int
    kind: str
    job: str | None
    attempt: int
    fields: Mapping[str, str]


class ExitFlag(NamedTuple):
    """An attempt's own record of how it ended."""

    outcome: str
    scheduler_id: str
    fields: Mapping[str, str]


class TicketLocation(NamedTuple):
    """The location and content of a job's newest ticket."""

    state: TicketState
    attempt: int
    scheduler_id: str


class AgentReport(NamedTuple):
    """A parsed report. `started`: unfinished (job, attempt) pairs.

    `legacy_flags`: flags of an older agent.

    `outputs`: what is new in those that were asked for.
    """

    version: int
    cursor: LogCursor
    events: list[AgentEvent]
    flags: dict[tuple[str, int], ExitFlag]
    ticket_locations: dict[str, TicketLocation]
    running_attempts: set[tuple[str, int]]
    legacy_flags: dict[str, ExitFlag]
    outputs: Sequence[OutputPiece] = ()

    @property
    def states(self) -> dict[str, TicketState]:
        """Return the state of each job."""
        return {job: place.state for job, place in self.ticket_locations.items()}


def build_report_script(
    host: Host, cursor: LogCursor, watched_attempts: Iterable[WatchedAttempt] = (), *, wait_tenths: int = WAIT_TENTHS
) -> str:
    """Build the script that prints the report, then new output; of a job that has ended, all of it."""
    report = f"cd {quote_path(host.root)} && sh agent.sh report {cursor.offset} {cursor.first_line} {wait_tenths} || exit"
    return f"{report}\n{build_outputs_script(watched_attempts)}"


def parse_event(line: str) -> AgentEvent | None:
    """Parse a line of the log; None if it is torn or of another version."""
    words = line.split(" ")
    if len(words) < 7 or words[0] != "v1" or words[-1] != ".":
        return None
    sequence, at, kind, job, attempt, *pairs = words[1:-1]
    if not (sequence.isdecimal() and at.isdecimal() and attempt.isdecimal()):
        return None
    fields = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return AgentEvent(
        int(sequence),
        int(at),
        kind,
        None if job == "-" else job,
        int(attempt),
        {key: unquote_to_bytes(value).decode(errors="replace") for key, value in fields.items()},
    )


def parse_report(output: bytes, host: Host, cursor: LogCursor) -> AgentReport:
    """Parse the output of `build_report_script`. Raise RemoteUnavailable if it is not a report."""
    said, mark, outputs = output.partition(b"\n" + OUTPUTS_MARKER)
    lines = (said + mark[:1]).split(b"\n")
    try:
        version = int(lines[0].removeprefix(b"agent "))
        first, offset = map(int, lines[1].removeprefix(b"log ").split())
    except (ValueError, IndexError):
        raise RemoteUnavailable(
            f"the agent on {host.name} gave no report", hint=f"tasuki hpc doctor {shlex.quote(host.name)}"
        ) from None
    report = AgentReport(version, cursor, [], {}, {}, set(), {}, parse_outputs(outputs))
    newest: dict[str, str] = {}
    for line, following in pairwise(lines[2:]):
        kind, _, rest = line.partition(b" ")
        text = rest.decode(errors="replace")
        if kind == b"L":
            add_log_line(report, text)
            is_whole = not following or following.startswith(b"L ")  # the log's last line may be half written
            offset += is_whole and not text.startswith(ROTATED_PREFIX) and len(rest) + 1
        elif kind == b"F":
            add_flag(report, text)
        elif kind == b"S":
            add_ticket_location(report, text, newest)
        elif kind == b"C":
            job, *words = text.split("\t")
            report.legacy_flags[job] = ExitFlag(words[0] if words else "", words[1] if len(words) > 1 else "", {})
        elif kind == b"R" and (one := parse_attempt_name(text)):
            report.running_attempts.add(one)
    return report._replace(cursor=LogCursor(first, offset))


def add_log_line(report: AgentReport, text: str) -> None:
    """Process a line of the log, or of the previous one."""
    if event := parse_event(text.removeprefix(ROTATED_PREFIX)):
        report.events.append(event)


def add_flag(report: AgentReport, text: str) -> None:
    """Process a flag: its file's name, then its lines."""
    name, *lines = text.split("\t")
    if (one := parse_attempt_name(name)) and lines:
        fields = dict(line.split("=", 1) for line in lines[2:] if "=" in line)
        report.flags[one] = ExitFlag(lines[0], lines[1] if len(lines) > 1 else "", fields)


def add_ticket_location(report: AgentReport, text: str, newest: dict[str, str]) -> None:
    """Process a ticket's location. A retried job has several; the newest counts."""
    state, name, attempt, *scheduler_id = [*text.split(" "), "", ""][:4]
    number, _, job = name.partition("-")
    if job and state in TICKET_STATES and attempt.isdecimal() and number[1:] >= newest.get(job, ""):
        newest[job] = number[1:]
        report.ticket_locations[job] = TicketLocation(TicketState(state), int(attempt), scheduler_id[0])


def parse_attempt_name(name: str) -> tuple[str, int] | None:
    """Parse the name of a flag or start file."""
    job, _, attempt = name.rpartition(".")
    return (job, int(attempt)) if job and attempt.isdecimal() else None
