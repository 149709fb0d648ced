"""What the agent says of its jobs: log lines, flags and states, read in one go."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tasuki.errors import RemoteUnavailable
from tasuki.hpc.host import Host
from tasuki.hpc.live_outputs import MARK, OutputPiece, WatchedAttempt, outputs_script, parse_outputs
from tasuki.hpc.transports.protocol import in_shell

__all__ = [
    "AgentEvent",
    "AgentReport",
    "ExitFlag",
    "LogCursor",
    "TicketLocation",
    "TicketState",
    "parse_event",
    "parse_report",
    "report_script",
]

WAIT_TENTHS = 10
"""How long a report waits for the pass that was just triggered."""


class TicketState(StrEnum):
    """Where a job's ticket lies."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATES = frozenset(TicketState)
OLD = "old "
"""Before lines of the log that was rotated away."""


class LogCursor(NamedTuple):
    """How far the log was read: the number of its first line then, and the bytes after that."""

    first: int = 0
    offset: int = 0


class AgentEvent(NamedTuple):
    """One line of the log."""

    sequence: int
    at: int
    kind: str
    job: str | None
    attempt: int
    fields: Mapping[str, str]


class ExitFlag(NamedTuple):
    """How an attempt ended, by its own word."""

    word: str
    scheduler_id: str
    fields: Mapping[str, str]


class TicketLocation(NamedTuple):
    """Where a job's newest ticket lies, and what it says."""

    state: TicketState
    attempt: int
    scheduler_id: str


class AgentReport(NamedTuple):
    """All of it. `started`: what has begun and not ended, (job, attempt). `old_flags`: of jobs that an older agent ran.

    `outputs`: what is new in those that were asked for.
    """

    version: int
    cursor: LogCursor
    events: list[AgentEvent]
    flags: dict[tuple[str, int], ExitFlag]
    places: dict[str, TicketLocation]
    started: set[tuple[str, int]]
    old_flags: dict[str, ExitFlag]
    outputs: Sequence[OutputPiece] = ()

    @property
    def states(self) -> dict[str, TicketState]:
        """The state of each job."""
        return {job: place.state for job, place in self.places.items()}


def report_script(site: Host, cursor: LogCursor, watched: Iterable[WatchedAttempt] = (), *, wait_tenths: int = WAIT_TENTHS) -> str:
    """Ask for everything since then, and then for what is new in outputs: of a job that is over by the report, all of it."""
    report = f"cd {in_shell(site.root)} && sh agent.sh report {cursor.offset} {cursor.first} {wait_tenths} || exit"
    return f"{report}\n{outputs_script(watched)}"


def parse_event(line: str) -> AgentEvent | None:
    """A line of the log; None for one that is torn, or not of this version."""
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


def parse_report(output: bytes, site: Host, cursor: LogCursor) -> AgentReport:
    """The answer to `report_script`. RemoteUnavailable for what is none."""
    said, mark, outputs = output.partition(b"\n" + MARK)
    lines = (said + mark[:1]).split(b"\n")
    try:
        version = int(lines[0].removeprefix(b"agent "))
        first, offset = map(int, lines[1].removeprefix(b"log ").split())
    except (ValueError, IndexError):
        raise RemoteUnavailable(
            f"the agent on {site.name} gave no report", hint=f"tasuki hpc doctor {shlex.quote(site.name)}"
        ) from None
    report = AgentReport(version, cursor, [], {}, {}, set(), {}, parse_outputs(outputs))
    newest: dict[str, str] = {}
    for line, following in pairwise(lines[2:]):
        kind, _, rest = line.partition(b" ")
        text = rest.decode(errors="replace")
        if kind == b"L":
            read_line(report, text)
            is_whole = not following or following.startswith(b"L ")  # the log's last line may be half written
            offset += is_whole and not text.startswith(OLD) and len(rest) + 1
        elif kind == b"F":
            read_flag(report, text)
        elif kind == b"S":
            read_state(report, text, newest)
        elif kind == b"C":
            job, *words = text.split("\t")
            report.old_flags[job] = ExitFlag(words[0] if words else "", words[1] if len(words) > 1 else "", {})
        elif kind == b"R" and (one := job_and_attempt(text)):
            report.started.add(one)
    return report._replace(cursor=LogCursor(first, offset))


def read_line(report: AgentReport, text: str) -> None:
    """Take a line of the log, or of the one before it."""
    if event := parse_event(text.removeprefix(OLD)):
        report.events.append(event)


def read_flag(report: AgentReport, text: str) -> None:
    """Take a flag: its file's name, then its lines."""
    name, *lines = text.split("\t")
    if (one := job_and_attempt(name)) and lines:
        fields = dict(line.split("=", 1) for line in lines[2:] if "=" in line)
        report.flags[one] = ExitFlag(lines[0], lines[1] if len(lines) > 1 else "", fields)


def read_state(report: AgentReport, text: str, newest: dict[str, str]) -> None:
    """Take a ticket's place. A job that was tried again has several: the newest counts."""
    state, name, attempt, *scheduler_id = [*text.split(" "), "", ""][:4]
    number, _, job = name.partition("-")
    if job and state in STATES and attempt.isdecimal() and number[1:] >= newest.get(job, ""):
        newest[job] = number[1:]
        report.places[job] = TicketLocation(TicketState(state), int(attempt), scheduler_id[0])


def job_and_attempt(name: str) -> tuple[str, int] | None:
    """What a flag or a start is called after."""
    job, _, attempt = name.rpartition(".")
    return (job, int(attempt)) if job and attempt.isdecimal() else None
