"""What a report says of a job, as it is recorded."""

import msgspec
import pytest

from tasuki.hpc.agent_report import AgentEvent, AgentReport, ExitFlag, LogCursor, TicketLocation, TicketState
from tasuki.jobs.queue.observations import build_observations, get_hpc_id
from tasuki.records import Job, JobStatus, Observation, apply_observation

JOB = Job(id="0123456789ab", provider="hpc", created=1, updated=1, metadata={"site": "bebop"})
ID = "j0123456789ab"


def report(state: TicketState | None = None, attempt: int = 1, **more: object) -> AgentReport:
    places = {} if state is None else {ID: TicketLocation(state, attempt, "12.pbs")}
    return AgentReport(1, LogCursor(), [], {}, places, set(), {})._replace(**more)  # type: ignore[arg-type]


def see(found: AgentReport, events: list[AgentEvent] | None = None, job: Job = JOB) -> Observation | None:
    seen = build_observations(job, "bebop", get_hpc_id(job), found, events or [])
    return seen[0] if seen else None


@pytest.mark.parametrize(("state", "started", "status", "word"), [
    (TicketState.WAITING, False, JobStatus.QUEUED, "UPLOADED"),
    (TicketState.CLAIMED, False, JobStatus.QUEUED, "UPLOADED"),
    (TicketState.SUBMITTED, False, JobStatus.QUEUED, "SUBMITTED"),
    (TicketState.SUBMITTED, True, JobStatus.RUNNING, "RUNNING"),
    (TicketState.DONE, False, JobStatus.COMPLETED, "COMPLETED"),
    (TicketState.CANCELLED, False, JobStatus.CANCELLED, "KILLED"),
])  # fmt: skip
def test_every_state_has_its_status_and_keeps_its_word(state: TicketState, started: bool, status: JobStatus, word: str) -> None:
    seen = see(report(state, running_attempts={(ID, 1)} if started else set()))
    assert seen is not None
    assert (seen.status, seen.raw_status, seen.external_id) == (status, word, f"bebop/{ID}.1")
    assert seen.metadata == {"scheduler_id": "12.pbs"}


def test_failures_are_told_apart() -> None:
    def failed(flag: ExitFlag | None = None, *events: AgentEvent) -> tuple[str | None, str | None]:
        seen = see(report(TicketState.FAILED, flags={(ID, 1): flag} if flag else {}), list(events))
        assert seen is not None
        assert seen.status is JobStatus.FAILED
        return seen.raw_status, seen.error_message

    assert failed(ExitFlag("FAIL", "12", {"CODE": "7"})) == ("FAILED", "exit code 7")
    assert failed(ExitFlag("FAIL", "12", {"CODE": "1", "REASON": "did not converge"})) == ("FAILED", "did not converge")
    assert failed(ExitFlag("KILLED", "12", {"SIGNAL": "TERM"})) == ("KILLED", "killed (TERM)")
    assert failed(None, AgentEvent(1, 1, "FAILED", ID, 3, {"reason": "lost"})) == ("LOST", "lost")
    assert failed(None, AgentEvent(1, 1, "FAILED", ID, 1, {"reason": "qsub: no such queue"})) == ("FAILED", "qsub: no such queue")


def test_another_attempt_there_is_another_attempt_here() -> None:
    running = apply_observation(JOB, see(report(TicketState.SUBMITTED, running_attempts={(ID, 1)})))[0]  # type: ignore[arg-type]
    seen = see(report(TicketState.WAITING, attempt=2), job=running)
    assert seen is not None
    again = apply_observation(running, seen)[0]
    assert (again.attempt, again.status, again.external_id) == (2, JobStatus.QUEUED, f"bebop/{ID}.2")


def test_a_report_that_lacks_a_job_says_nothing_and_an_old_flag_its_end() -> None:
    assert see(report()) is None
    old = msgspec.structs.replace(JOB, metadata={"site": "bebop", "hpc_id": "old"})
    seen = see(report(legacy_flags={"old": ExitFlag("FAIL", "7", {})}), job=old)
    assert seen is not None
    assert (seen.status, seen.attempt) == (JobStatus.FAILED, 1)
    assert see(report(legacy_flags={"old": ExitFlag("huh", "7", {})}), job=old) is None
