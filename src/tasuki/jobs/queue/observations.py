"""Turn an agent's report into observations: pure, and idempotent however often a report is read."""

from collections.abc import Sequence

from tasuki.hpc.agent_report import AgentEvent, AgentReport, ExitFlag, TicketState
from tasuki.hpc.profiles import PROFILES, Profile
from tasuki.records import Job, JobStatus, Observation

__all__ = ["external_id", "hpc_id", "observed", "profile_of", "site_of"]

SECOND_US = 1_000_000
STATUSES = {
    TicketState.WAITING: (JobStatus.QUEUED, "UPLOADED"),
    TicketState.CLAIMED: (JobStatus.QUEUED, "UPLOADED"),
    TicketState.SUBMITTED: (JobStatus.QUEUED, "SUBMITTED"),
    TicketState.DONE: (JobStatus.COMPLETED, "COMPLETED"),
    TicketState.FAILED: (JobStatus.FAILED, "FAILED"),
    TicketState.CANCELLED: (JobStatus.CANCELLED, "KILLED"),
}
OLD_STATUSES = {"DONE": (JobStatus.COMPLETED, "COMPLETED"), "FAIL": (JobStatus.FAILED, "FAILED")}


def site_of(job: Job) -> str:
    """Return the name of a job's host."""
    return str(job.metadata.get("site"))


def profile_of(job: Job) -> Profile:
    """Return the profile of a job's program."""
    return PROFILES.get(str(job.metadata.get("profile")), PROFILES["command"])


def hpc_id(job: Job) -> str:
    """Return a job's name in its queue; imported jobs keep theirs."""
    return str(job.metadata.get("hpc_id") or f"j{job.id}")


def external_id(site: str, id: str, attempt: int) -> str:
    """Return the name of an attempt, unique among all hosts."""
    return f"{site}/{id}.{attempt}"


def observed(job: Job, site: str, id: str, report: AgentReport, events: Sequence[AgentEvent]) -> list[Observation]:
    """Return the observations of a job in a report; none if the report lacks it.

    `events`: the job's own events in the report.
    """
    place = report.places.get(id)
    if place is None:
        return old_flag(job, report.old_flags.get(id))
    flag = report.flags.get((id, place.attempt))
    status, word = STATUSES[place.state]
    if place.state is TicketState.SUBMITTED and (id, place.attempt) in report.started:
        status, word = JobStatus.RUNNING, "RUNNING"
    if place.state is TicketState.FAILED:
        word = failed_word(flag, events)
    facts = {"scheduler_id": place.scheduler_id} if place.scheduler_id else {}
    return [
        Observation(
            time=0,
            job=job.id,
            attempt=place.attempt,
            source="sync",
            status=status,
            raw_status=word,
            external_id=external_id(site, id, place.attempt),
            ended=ended(flag) if status.is_final else None,
            error_message=reason(flag, events) if status is JobStatus.FAILED else None,
            metadata=facts,
        )
    ]


def old_flag(job: Job, flag: ExitFlag | None) -> list[Observation]:
    """Return the observations of a job that an older agent ran, from its flag."""
    if flag is None or flag.word not in OLD_STATUSES:
        return []
    status, word = OLD_STATUSES[flag.word]
    error = "the job failed (flag FAIL)" if status is JobStatus.FAILED else None
    return [
        Observation(
            time=0, job=job.id, attempt=job.attempt, source="sync", status=status, raw_status=word, error_message=error,
            metadata={"scheduler_id": flag.scheduler_id},
        )
    ]  # fmt: skip


def failed_word(flag: ExitFlag | None, events: Sequence[AgentEvent]) -> str:
    """Return the queue's raw status of a failure."""
    if flag is not None:
        return "KILLED" if flag.word == "KILLED" else "FAILED"
    return "LOST" if last_reason(events) == "lost" else "FAILED"


def reason(flag: ExitFlag | None, events: Sequence[AgentEvent]) -> str:
    """Return the reason of a failure, for people."""
    if flag is None:
        return last_reason(events) or "the scheduler did not take it"
    if flag.word == "KILLED":
        return f"killed ({flag.fields.get('SIGNAL', 'no signal is known')})"
    return flag.fields.get("REASON") or f"exit code {flag.fields.get('CODE', 'unknown')}"


def last_reason(events: Sequence[AgentEvent]) -> str | None:
    """Return the agent's reason for giving up the job."""
    return next((event.fields.get("reason") for event in reversed(events) if event.kind == "FAILED"), None)


def ended(flag: ExitFlag | None) -> int | None:
    """Return when the job ended, by its own clock."""
    end = flag.fields.get("END", "") if flag else ""
    return int(end) * SECOND_US if end.isdecimal() else None
