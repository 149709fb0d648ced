"""Poll the jobs of one host: one report for all, more for output that did not fit."""

import asyncio
from collections.abc import Iterable, Sequence

from tasuki.hpc.agent_report import WAIT_TENTHS, AgentEvent, LogCursor
from tasuki.hpc.remote_commands import RemoteCommands
from tasuki.jobs.queue.observations import build_observations, get_hpc_id
from tasuki.jobs.queue.outputs import OutputRecorder
from tasuki.records import Job, Observation, apply_observation

__all__ = ["HostPoller"]

MAX_REPORTS = 64


class HostPoller:
    """Poller of one host. `cursor`: how far its log was read. One caller at a time."""

    def __init__(self, commands: RemoteCommands, outputs: OutputRecorder, cursor: LogCursor) -> None:
        self.commands = commands
        self.outputs = outputs
        self.cursor = cursor
        self.submitted_ids: set[str] = set()
        """Jobs that were submitted since, by their ids over there."""
        self.scheduler_error: str | None = None
        """What the scheduler said where it did not answer the agent."""
        self.failure_events: dict[str, list[AgentEvent]] = {}
        """What was said when jobs were given up, by their ids over there."""

    async def poll(self, jobs: Sequence[Job], *, wait_tenths: int = WAIT_TENTHS) -> dict[str, Observation]:
        """Ask for all jobs and store their new output; return the observations by job id."""
        now, seen, left = {job.id: job for job in jobs}, {}, jobs
        for _ in range(MAX_REPORTS):
            watched = await asyncio.to_thread(self.outputs.list_watched_attempts, [now[job.id] for job in left])
            report = await self.commands.fetch_report(self.cursor, watched, wait_tenths=wait_tenths)
            self.cursor, wait_tenths = report.cursor, 0
            self.handle_events(report.events)
            asked = {job.id: now[job.id].attempt for job in left}
            for job in left:
                id = get_hpc_id(job)
                if found := build_observations(job, self.commands.host.name, id, report, self.failure_events.get(id, [])):
                    seen[job.id] = found[-1]
                    now[job.id] = apply_observation(job, found[-1])[0]
            more = await asyncio.to_thread(self.outputs.record_pieces, [now[job.id] for job in left], report.outputs)
            left = [job for job in left if now[job.id].attempt != asked[job.id] or (job.id in more and now[job.id].status.is_final)]
            if not left:
                break
        for job in now.values():
            if job.status.is_final:
                self.failure_events.pop(get_hpc_id(job), None)
        return seen

    def handle_events(self, events: Iterable[AgentEvent]) -> None:
        """Process events that a job's state does not include."""
        for event in events:
            if event.kind == "QUEUE_UNKNOWN":
                self.scheduler_error = event.fields.get("text", "")
            elif event.job and event.kind == "SUBMITTED":
                self.submitted_ids.add(event.job)
            elif event.job and event.kind == "FAILED":
                self.failure_events.setdefault(event.job, []).append(event)
