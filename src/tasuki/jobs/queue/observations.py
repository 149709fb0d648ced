"""What an agent's report says of a job, as observations: pure, and the same however often the same is read."""

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
    """The name of the host that a job is for."""
    return str(job.metadata.get("site"))


def profile_of(job: Job) -> Profile:
    """What kind of calculation a job is."""
    return PROFILES.get(str(job.metadata.get("profile")), PROFILES["command"])


def hpc_id(job: Job) -> str:
    """What a job is called in its queue: that of an imported one stays."""
    return str(job.metadata.get("hpc_id") or f"j{job.id}")


def external_id(site: str, id: str, attempt: int) -> str:
    """What an attempt is called among all hosts."""
    return f"{site}/{id}.{attempt}"


def observed(job: Job, site: str, id: str, report: AgentReport, events: Sequence[AgentEvent]) -> list[Observation]:
    """What is to be recorded of a job. `events`: its own among the report's. Nothing, where the report lacks it."""
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
    """What an older agent's flag says of a job that it ran."""
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
    """The queue's own word for a failure."""
    if flag is not None:
        return "KILLED" if flag.word == "KILLED" else "FAILED"
    return "LOST" if last_reason(events) == "lost" else "FAILED"


def reason(flag: ExitFlag | None, events: Sequence[AgentEvent]) -> str:
    """Why a job failed, for people."""
    if flag is None:
        return last_reason(events) or "the scheduler did not take it"
    if flag.word == "KILLED":
        return f"killed ({flag.fields.get('SIGNAL', 'no signal is known')})"
    return flag.fields.get("REASON") or f"exit code {flag.fields.get('CODE', 'unknown')}"


def last_reason(events: Sequence[AgentEvent]) -> str | None:
    """What the agent said when it gave a job up."""
    return next((event.fields.get("reason") for event in reversed(events) if event.kind == "FAILED"), None)


def ended(flag: ExitFlag | None) -> int | None:
    """When the job ended, by its own clock."""
    end = flag.fields.get("END", "") if flag else ""
    return int(end) * SECOND_US if end.isdecimal() else None
