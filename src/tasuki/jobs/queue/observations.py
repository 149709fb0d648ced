"""Turn an agent's report into observations: pure, and idempotent however often a report is read."""

from collections.abc import Sequence

from tasuki.hpc.agent_report import AgentEvent, AgentReport, ExitFlag, TicketState
from tasuki.hpc.profiles import PROFILES, Profile
from tasuki.records import Job, JobStatus, Observation

__all__ = ["build_external_id", "build_observations", "get_host_name", "get_hpc_id", "get_profile"]

SECOND_US = 1_000_000
STATUSES = {
    TicketState.WAITING: (JobStatus.QUEUED, "UPLOADED"),
    TicketState.CLAIMED: (JobStatus.QUEUED, "UPLOADED"),
    TicketState.SUBMITTED: (JobStatus.QUEUED, "SUBMITTED"),
    TicketState.DONE: (JobStatus.COMPLETED, "COMPLETED"),
    TicketState.FAILED: (JobStatus.FAILED, "FAILED"),
    TicketState.CANCELLED: (JobStatus.CANCELLED, "KILLED"),
}
LEGACY_STATUSES = {"DONE": (JobStatus.COMPLETED, "COMPLETED"), "FAIL": (JobStatus.FAILED, "FAILED")}


def get_host_name(job: Job) -> str:
    """Return the name of a job's host."""
    return str(job.metadata.get("site"))


def get_profile(job: Job) -> Profile:
    """Return the profile of a job's program."""
    return PROFILES.get(str(job.metadata.get("profile")), PROFILES["command"])


def get_hpc_id(job: Job) -> str:
    """Return a job's name in its queue; imported jobs keep theirs."""
    return str(job.metadata.get("hpc_id") or f"j{job.id}")


def build_external_id(host_name: str, id: str, attempt: int) -> str:
    """Return the name of an attempt, unique among all hosts."""
    return f"{host_name}/{id}.{attempt}"


def build_observations(job: Job, host_name: str, id: str, report: AgentReport, events: Sequence[AgentEvent]) -> list[Observation]:
    """Return the observations of a job in a report; none if the report lacks it.

    `events`: the job's own events in the report.
    """
    place = report.ticket_locations.get(id)
    if place is None:
        return build_legacy_observations(job, report.legacy_flags.get(id))
    flag = report.flags.get((id, place.attempt))
    status, word = STATUSES[place.state]
    if place.state is TicketState.SUBMITTED and (id, place.attempt) in report.running_attempts:
        status, word = JobStatus.RUNNING, "RUNNING"
    if place.state is TicketState.FAILED:
        word = get_failed_raw_status(flag, events)
    facts = {"scheduler_id": place.scheduler_id} if place.scheduler_id else {}
    return [
        Observation(
            time=0,
            job=job.id,
            attempt=place.attempt,
            source="sync",
            status=status,
            raw_status=word,
            external_id=build_external_id(host_name, id, place.attempt),
            ended=parse_end_time(flag) if status.is_final else None,
            error_message=describe_failure(flag, events) if status is JobStatus.FAILED else None,
            metadata=facts,
        )
    ]


def build_legacy_observations(job: Job, flag: ExitFlag | None) -> list[Observation]:
    """Return the observations of a job that an older agent ran, from its flag."""
    if flag is None or flag.outcome not in LEGACY_STATUSES:
        return []
    status, word = LEGACY_STATUSES[flag.outcome]
    error = "the job failed (flag FAIL)" if status is JobStatus.FAILED else None
    return [
        Observation(
            time=0, job=job.id, attempt=job.attempt, source="sync", status=status, raw_status=word, error_message=error,
            metadata={"scheduler_id": flag.scheduler_id},
        )
    ]  # fmt: skip


def get_failed_raw_status(flag: ExitFlag | None, events: Sequence[AgentEvent]) -> str:
    """Return the queue's raw status of a failure."""
    if flag is not None:
        return "KILLED" if flag.outcome == "KILLED" else "FAILED"
    return "LOST" if find_last_reason(events) == "lost" else "FAILED"


def describe_failure(flag: ExitFlag | None, events: Sequence[AgentEvent]) -> str:
    """Return the reason of a failure, for people."""
    if flag is None:
        return find_last_reason(events) or "the scheduler did not take it"
    if flag.outcome == "KILLED":
        return f"killed ({flag.fields.get('SIGNAL', 'no signal is known')})"
    return flag.fields.get("REASON") or f"exit code {flag.fields.get('CODE', 'unknown')}"


def find_last_reason(events: Sequence[AgentEvent]) -> str | None:
    """Return the agent's reason for giving up the job."""
    return next((event.fields.get("reason") for event in reversed(events) if event.kind == "FAILED"), None)


def parse_end_time(flag: ExitFlag | None) -> int | None:
    """Return when the job ended, by its own clock."""
    end = flag.fields.get("END", "") if flag else ""
    return int(end) * SECOND_US if end.isdecimal() else None
