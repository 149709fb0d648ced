"""Hosts with a queue behind ssh, as the jobs' API sees them: what runs there is looked at whenever somebody is logged in.

Nothing here ever logs in: without a login a host does not answer, and its jobs are unreachable. Calculations are brought there by a
sync (`tasuki.jobs.queues`), all at once; here they are only looked at, and ended.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import ConfigError, NotFound, RemoteError
from tasuki.hpc.exchange import Exchange
from tasuki.hpc.profiles import PROFILES
from tasuki.hpc.report import Cursor, Report
from tasuki.hpc.site import Site, Sites
from tasuki.hpc.transports import open_transport
from tasuki.jobs.provider import Page, Request, Sight
from tasuki.jobs.queue_outputs import Outputs
from tasuki.jobs.queue_seen import hpc_id, observed, site_of
from tasuki.jobs.shown import Validated
from tasuki.records import Job, Observation, apply_observation
from tasuki.settings import Settings

__all__ = ["Hpc"]

MOST_PIECES = 64
FRESH_SECONDS = 2.0
"""One report answers for all jobs of a host that are looked at within so long."""


class Said(NamedTuple):
    """A host's report, when it came, and of which jobs it has the outputs."""

    at: float
    report: Report
    watched: frozenset[str]


class Hpc:
    """All hosts of one data folder."""

    name = "hpc"
    title = "HPC"
    account: str | None = ""
    hardware: str | None = None
    prices: Mapping[str, float] = {}
    by_turns = True

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM) -> None:
        self.sites = Sites(settings.dir)
        self.outputs = Outputs(settings)
        self.clock = clock
        self.exchanges: dict[Site, Exchange] = {}
        self.asked: dict[str, dict[str, Job]] = {}
        """The jobs of each host that were looked at of late."""
        self.said: dict[str, Said] = {}
        self.asking: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Logins stay, but for those of this process."""
        for exchange in self.exchanges.values():
            await exchange.transport.close()
        self.exchanges.clear()

    async def validate(self) -> Validated:
        """At which hosts somebody is logged in."""
        live, errors = [], []
        for site in self.sites.all():
            try:
                await self.exchange(site).transport.open()
                live.append(site.name)
            except RemoteError as error:
                errors.append(str(error))
        return Validated(valid=not errors, user_info={"hosts": live}, error="; ".join(errors) or None)

    def check(self, request: Request, /) -> None:  # noqa: ARG002 - the protocol's
        """A folder on this machine is submitted, which no request can hold."""
        raise ConfigError("calculations are submitted with their folders", hint="tasuki job submit DIR --on HOST")

    def again(self, job: Job, request: Request | None, restart: str | None, /) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """From the inputs, or with an output of the last attempt in the place of one of them."""
        self.sites.get(site_of(job))
        restarts = PROFILES[str(job.metadata.get("profile"))].restarts
        if restart is not None and restart not in restarts:
            raise ConfigError(
                f"job {job.id} can't begin from {restart}", hint=f"there is {', '.join(restarts) or 'nothing to begin from'}"
            )
        return {"restart": {} if restart is None else {restart: restarts[restart]}}

    async def prepare(self, job: Job, request: Request, /) -> Request:  # noqa: ARG002 - the protocol's
        """Inputs are uploaded by a sync."""
        return request

    async def submit(self, job: Job, request: Request) -> Sight:
        """Nothing is submitted one by one."""
        self.check(request)
        raise AssertionError(f"job {job.id} is refused")

    async def look(self, job: Job) -> Sight:
        """What the host's report says of a job, and what that has written since. NotFound where it has none of it."""
        site = self.sites.get(site_of(job))
        for _ in range(MOST_PIECES):
            report = await self.report(site, job)
            seen = observed(job, site.name, hpc_id(job), report, [event for event in report.events if event.job == hpc_id(job)])
            if not seen:
                raise NotFound(f"{site.name} has no job {hpc_id(job)}")
            now = apply_observation(job, seen[0])[0]
            more = await asyncio.to_thread(self.outputs.take, now, report.outputs)
            if not (more and now.status.is_final):
                break
            self.said.pop(site.name, None)
        if now.status.is_final:
            self.asked[site.name].pop(job.id, None)
        return Sight(seen[0])

    async def page(self, cursor: str | None) -> Page:  # noqa: ARG002 - there are no more
        """What was not submitted from this folder is another folder's."""
        return Page([], None)

    async def cancel(self, job: Job) -> Sight:
        """Ask the agent to end it; that it has ended is seen later."""
        site = self.sites.get(site_of(job))
        await self.exchange(site).hand_over(cancelled=[hpc_id(job)])
        self.said.pop(site.name, None)
        return Sight(Observation(time=0, attempt=job.attempt, external_id=job.external_id, cancel_requested=True))

    async def report(self, site: Site, job: Job) -> Report:
        """What the host says now, or said a moment ago, with the outputs of the jobs that were looked at of late."""
        self.asked.setdefault(site.name, {})[job.id] = job
        async with self.asking.setdefault(site.name, asyncio.Lock()):
            said = self.said.get(site.name)
            if said is None or job.id not in said.watched or self.clock.monotonic() - said.at > FRESH_SECONDS:
                jobs = dict(self.asked[site.name])
                watched = await asyncio.to_thread(lambda: [self.outputs.watched(one) for one in jobs.values()])
                report = await self.exchange(site).report(Cursor(), watched, wait_tenths=0)
                said = self.said[site.name] = Said(self.clock.monotonic(), report, frozenset(jobs))
        return said.report

    def exchange(self, site: Site) -> Exchange:
        """The way to a host."""
        if site not in self.exchanges:
            self.exchanges[site] = Exchange(site, open_transport(site))
        return self.exchanges[site]
