"""One sync with a host, in parts: inputs as one stream, tickets in one command, news in another, however many jobs there are."""

from collections.abc import Iterable

from tasuki.hpc.agent import Ticket, hand_over_failure, hand_over_script
from tasuki.hpc.report import WAIT_TENTHS, Cursor, Report, parse_report, report_script
from tasuki.hpc.site import Site
from tasuki.hpc.tar import Outgoing
from tasuki.hpc.transport import Transport

__all__ = ["Exchange"]

UPLOAD_SECONDS = 3600.0


class Exchange:
    """A host and the way to it. Each part may be repeated after it failed: nothing is done twice."""

    def __init__(self, site: Site, transport: Transport) -> None:
        self.site = site
        self.transport = transport

    async def upload(self, files: Iterable[Outgoing]) -> None:
        """Write the folders of jobs. Until there is a ticket for one, nothing happens to it."""
        await self.transport.put_tar(files, f"{self.site.root}/jobs", timeout=UPLOAD_SECONDS)

    async def hand_over(self, tickets: Iterable[Ticket] = (), cancelled: Iterable[str] = ()) -> None:
        """Give the agent what it is to submit and to cancel, the agent itself if need be, and set it off."""
        done = await self.transport.exec(hand_over_script(self.site, tickets, cancelled))
        if failure := hand_over_failure(self.site, done):
            raise failure

    async def report(self, cursor: Cursor, *, wait_tenths: int = WAIT_TENTHS) -> Report:
        """What has happened since, and how everything stands."""
        done = await self.transport.exec(report_script(self.site, cursor, wait_tenths=wait_tenths))
        return parse_report(done.output, self.site, cursor)
