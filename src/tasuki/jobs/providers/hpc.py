"""HPC hosts as a provider: jobs are observed and canceled whenever somebody is logged in.

Nothing here ever logs in: without a login a host does not answer, and its jobs are unreachable. Calculations are brought there by a
sync (`tasuki.jobs.queue.queue`), all at once; here they are only looked at, and ended: in one command a host, however many jobs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import ConfigError, NotFound, RemoteError, RemoteUnavailable
from tasuki.hpc.agent_report import LogCursor
from tasuki.hpc.host import Host, HostsFile
from tasuki.hpc.open_transport import open_transport
from tasuki.hpc.remote_commands import RemoteCommands
from tasuki.jobs.providers.protocol import ProviderAccount, ProviderJob, ProviderPage
from tasuki.jobs.queue.observations import get_host_name, get_hpc_id, get_profile
from tasuki.jobs.queue.outputs import OutputRecorder
from tasuki.jobs.queue.poll import HostPoller
from tasuki.jobs.storage.requests import JobRequest
from tasuki.records import Job, JobStatus, Observation
from tasuki.settings import Settings

__all__ = ["HpcProvider"]

CACHE_SECONDS = 2.0
"""What was said so recently is said again."""
BATCH_SECONDS = 60.0
"""Jobs that were asked for within so long are looked at together."""


class HostAnswer(NamedTuple):
    """A host's answer for a job, with its time; None: the host does not have the job."""

    time: float
    observation: Observation | None


class HostJobs:
    """One host: jobs asked for recently, and the host's answers."""

    def __init__(self, host: Host, outputs: OutputRecorder, clock: Clock) -> None:
        self.commands = RemoteCommands(host, open_transport(host))
        self.poller = HostPoller(self.commands, outputs, LogCursor())
        self.clock = clock
        self.lock = asyncio.Lock()
        self.requested: dict[str, tuple[float, Job]] = {}
        self.answers: dict[str, HostAnswer] = {}

    async def observe_jobs(self, jobs: Sequence[Job]) -> dict[str, Observation | None]:
        """Return the observations of jobs, at most a moment old."""
        self.add_requests(jobs)
        async with self.lock:
            now = self.clock.monotonic()
            if any(job.id not in self.answers or now - self.answers[job.id].time > CACHE_SECONDS for job in jobs):
                self.requested = {id: (at, job) for id, (at, job) in self.requested.items() if now - at < BATCH_SECONDS}
                self.add_requests(jobs)  # whoever was before us may have taken long
                late = [job for _, job in self.requested.values()]
                seen = await self.poller.poll(late, wait_tenths=0)
                self.answers = {job.id: HostAnswer(self.clock.monotonic(), seen.get(job.id)) for job in late}
            return {job.id: self.answers[job.id].observation for job in jobs}

    def add_requests(self, jobs: Sequence[Job]) -> None:
        """Add jobs to the next poll."""
        self.requested |= {job.id: (self.clock.monotonic(), job) for job in jobs}


class HpcProvider:
    """All hosts of one data folder."""

    name = "hpc"
    title = "HPC"
    account: str | None = ""
    hardware: str | None = None
    prices: Mapping[str, float] = {}
    defers_submission = True

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.hosts_file = HostsFile(settings.dir)
        self.outputs = OutputRecorder(settings)
        self.clock = clock
        self.hosts: dict[Host, HostJobs] = {}

    async def close(self) -> None:
        """Close this process's connections; other logins stay."""
        for host in self.hosts.values():
            await host.commands.transport.close()
        self.hosts.clear()
        await asyncio.to_thread(self.outputs.close)

    async def validate(self) -> ProviderAccount:
        """Return the hosts where somebody is logged in."""
        live, errors = [], []
        for site in self.hosts_file.list_hosts():
            try:
                await self.get_host_jobs(site.name).commands.transport.open()
                live.append(site.name)
            except RemoteError as error:
                errors.append(str(error))
        return ProviderAccount(valid=not errors, user_info={"hosts": live}, error="; ".join(errors) or None)

    def may_know_job(self, job: Job, /) -> bool:
        """Return whether the host may have the job: from the start of its upload."""
        return job.status is not JobStatus.PENDING

    def check_request(self, request: JobRequest, /) -> None:  # noqa: ARG002 - the protocol's
        """Raise ConfigError: a job is a folder on this machine, which a request cannot hold."""
        raise ConfigError("calculations are submitted with their folders", hint="tasuki job submit DIR --on HOST")

    def build_retry_metadata(self, job: Job, request: JobRequest | None, restart: str | None, /) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """Return the metadata of an attempt that restarts from inputs, or with an output of the last attempt."""
        self.hosts_file.get(get_host_name(job))
        restarts = get_profile(job).restart_files
        if restart is not None and restart not in restarts:
            raise ConfigError(
                f"job {job.id} can't begin from {restart}", hint=f"there is {', '.join(restarts) or 'nothing to begin from'}"
            )
        return {"restart": {} if restart is None else {restart: restarts[restart]}}

    async def prepare(self, job: Job, request: JobRequest, /) -> JobRequest:  # noqa: ARG002 - the protocol's
        """Return the request unchanged: a sync uploads inputs."""
        return request

    async def submit(self, job: Job, request: JobRequest) -> ProviderJob:
        """Raise an error: jobs are submitted by a sync, not one by one."""
        self.check_request(request)
        raise AssertionError(f"job {job.id} is refused")

    async def fetch_job(self, job: Job) -> ProviderJob:
        """Return the host's observation of a job. Raise NotFound if the host does not have it."""
        seen = (await self.get_host_jobs(get_host_name(job)).observe_jobs([job]))[job.id]
        if seen is None:
            raise NotFound(f"{get_host_name(job)} has no job {get_hpc_id(job)}")
        return ProviderJob(seen)

    async def fetch_jobs(self, jobs: Sequence[Job]) -> Mapping[str, ProviderJob | None]:
        """Ask every host once, concurrently. Raise RemoteUnavailable if none answers."""
        by_site: dict[str, list[Job]] = {}
        for job in jobs:
            by_site.setdefault(get_host_name(job), []).append(job)
        answers = await asyncio.gather(*(self.observe_host(name, here) for name, here in by_site.items()), return_exceptions=True)
        found: dict[str, ProviderJob | None] = {}
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        for answer in answers:
            if not isinstance(answer, BaseException):
                found |= {id: None if seen is None else ProviderJob(seen) for id, seen in answer.items()}
        for failure in failed:
            if len(failed) == len(answers) or not isinstance(failure, RemoteError):
                raise failure
        return found

    async def observe_host(self, name: str, jobs: Sequence[Job]) -> dict[str, Observation | None]:
        """Return one host's observations."""
        return await self.get_host_jobs(name).observe_jobs(jobs)

    async def list_jobs(self, cursor: str | None) -> ProviderPage:  # noqa: ARG002 - there are no more
        """Return an empty page: jobs submitted from other folders belong to them."""
        return ProviderPage([], None)

    async def cancel(self, job: Job) -> ProviderJob:
        """Ask the agent to cancel the job; a later observation shows its end."""
        host = self.get_host_jobs(get_host_name(job))
        await host.commands.deliver_tickets(cancelled_ids=[get_hpc_id(job)])
        host.answers.pop(job.id, None)
        return ProviderJob(Observation(time=0, attempt=job.attempt, external_id=job.external_id, cancel_requested=True))

    def get_host_jobs(self, name: str) -> HostJobs:
        """Return a host as configured now.

        Raise RemoteUnavailable for a host that was removed; its jobs may continue.
        """
        try:
            site = self.hosts_file.get(name)
        except NotFound as error:
            raise RemoteUnavailable(f"the host {name} is not known here", hint=f"tasuki hpc add {name}") from error
        if site not in self.hosts:
            self.hosts[site] = HostJobs(site, self.outputs, self.clock)
        return self.hosts[site]
