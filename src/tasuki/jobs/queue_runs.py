"""Runs from results: what a calculation's outputs say is a run like any other, with the job's id in it."""

from tasuki.clock import SYSTEM
from tasuki.hpc.profiles import Outcome
from tasuki.journal import Appender, Folder
from tasuki.records import Job, JobStatus, Metrics, RunStarted, RunStatus, Status, encode
from tasuki.settings import Settings

__all__ = ["record_run"]


def record_run(settings: Settings, job: Job, outcome: Outcome, project: str) -> str | None:
    """Record an attempt's run, unless it is recorded; its id, or None where the outputs say nothing."""
    if not outcome.points:
        return None
    run = f"{job.id}.{job.attempt}" if job.attempt > 1 else job.id
    folder = Folder(settings.journal_root, settings.lock_root)
    if any(journal.header.run == run for journal in folder.journals(project=project)):
        return run
    started = RunStarted(
        time=SYSTEM.now_us(),
        attempt=f"{job.id}{job.attempt:04d}",
        name=job.config_name,
        config={"job": job.id, "profile": job.metadata.get("profile"), "host": job.metadata.get("site")},
        environment={"job": job.id, "scheduler_id": job.metadata.get("scheduler_id")},
    )
    appender = Appender(
        project=project,
        run=run,
        folder=folder.project_folder(project),
        lock_folder=folder.lock_folder(project),
        opening=lambda: [encode(started)],
    )
    try:
        appender.open()
        for point in outcome.points:
            appender.append(encode(Metrics(time=SYSTEM.now_us(), step=point.step, values=dict(point.values))))
        status = Status.FINISHED if job.status is JobStatus.COMPLETED else Status.FAILED
        appender.append(encode(RunStatus(time=SYSTEM.now_us(), attempt=started.attempt, status=status, reason=job.error_message)))
    finally:
        appender.close()
    return run
