"""Hosts with a queue behind ssh, as the jobs' API sees them: what runs there is looked at whenever somebody is logged in.

Nothing here ever logs in: without a login a host does not answer, and its jobs are unreachable. Calculations are brought there by a
sync (`tasuki.jobs.queues`), all at once; here they are only looked at, and ended.
"""

from collections.abc import Mapping
from pathlib import Path

from tasuki.clock import SYSTEM, Clock
from tasuki.errors import ConfigError, NotFound, RemoteError
from tasuki.hpc.exchange import Exchange
from tasuki.hpc.report import Cursor, Report
from tasuki.hpc.site import Site, Sites
from tasuki.hpc.transports import open_transport
from tasuki.jobs.provider import Page, Request, Sight
from tasuki.jobs.queue_seen import hpc_id, observed, site_of
from tasuki.jobs.shown import Validated
from tasuki.records import Job, Observation

__all__ = ["Hpc"]

FRESH_SECONDS = 2.0
"""One report answers for all jobs of a host that are looked at within so long."""


class Hpc:
    """All hosts of one data folder."""

    name = "hpc"
    title = "HPC"
    account: str | None = ""
    hardware: str | None = None
    prices: Mapping[str, float] = {}

    def __init__(self, root: Path, *, clock: Clock = SYSTEM) -> None:
        self.sites = Sites(root)
        self.clock = clock
        self.exchanges: dict[Site, Exchange] = {}
        self.reports: dict[str, tuple[float, Report]] = {}

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

    async def prepare(self, job: Job, request: Request, /) -> Request:  # noqa: ARG002 - the protocol's
        """A folder on this machine is submitted, which no request can hold."""
        raise ConfigError("calculations are submitted with their folders", hint="tasuki hpc submit DIR --on HOST")

    async def submit(self, job: Job, request: Request) -> Sight:
        """The same."""
        await self.prepare(job, request)
        raise AssertionError("it is refused")

    async def look(self, job: Job) -> Sight:
        """What the host's report says of a job. NotFound where it has none of it."""
        site = self.sites.get(site_of(job))
        report = await self.report(site)
        seen = observed(job, site.name, hpc_id(job), report, [event for event in report.events if event.job == hpc_id(job)])
        if not seen:
            raise NotFound(f"{site.name} has no job {hpc_id(job)}")
        return Sight(seen[0])

    async def page(self, cursor: str | None) -> Page:  # noqa: ARG002 - there are no more
        """What was not submitted from this folder is another folder's."""
        return Page([], None)

    async def cancel(self, job: Job) -> Sight:
        """Ask the agent to end it; that it has ended is seen later."""
        site = self.sites.get(site_of(job))
        await self.exchange(site).hand_over(cancelled=[hpc_id(job)])
        self.reports.pop(site.name, None)
        return Sight(Observation(time=0, attempt=job.attempt, external_id=job.external_id, cancel_requested=True))

    async def report(self, site: Site) -> Report:
        """What the host says now, or said a moment ago."""
        at, report = self.reports.get(site.name, (0.0, None))
        if report is None or self.clock.monotonic() - at > FRESH_SECONDS:
            report = await self.exchange(site).report(Cursor(), wait_tenths=0)
            self.reports[site.name] = self.clock.monotonic(), report
        return report

    def exchange(self, site: Site) -> Exchange:
        """The way to a host."""
        if site not in self.exchanges:
            self.exchanges[site] = Exchange(site, open_transport(site))
        return self.exchanges[site]
