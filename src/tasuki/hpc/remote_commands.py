"""One sync with a host, in parts: inputs as one stream, tickets in one command, news in another, however many jobs there are."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tasuki.errors import RemoteRejected
from tasuki.hpc.agent import JobTicket, hand_over_failure, hand_over_script
from tasuki.hpc.agent_report import WAIT_TENTHS, AgentReport, LogCursor, parse_report, report_script
from tasuki.hpc.host import Host
from tasuki.hpc.live_outputs import WatchedAttempt
from tasuki.hpc.transports.protocol import HostTransport, Told, in_shell, quiet
from tasuki.hpc.transports.tar_stream import TarFile

__all__ = ["RemoteCommands"]

UPLOAD_SECONDS = 3600.0


class RemoteCommands:
    """A host and the way to it. Each part may be repeated after it failed: nothing is done twice."""

    def __init__(self, site: Host, transport: HostTransport) -> None:
        self.site = site
        self.transport = transport

    async def upload(self, files: Sequence[TarFile], told: Told = quiet) -> None:
        """Write the folders of jobs. Until there is a ticket for one, nothing happens to it."""
        await self.transport.put_tar(counted(files, told), f"{self.site.root}/jobs", timeout=UPLOAD_SECONDS)

    async def hand_over(self, tickets: Iterable[JobTicket] = (), cancelled: Iterable[str] = ()) -> None:
        """Give the agent what it is to submit and to cancel, the agent itself if need be, and set it off."""
        done = await self.transport.exec(hand_over_script(self.site, tickets, cancelled))
        if failure := hand_over_failure(self.site, done):
            raise failure

    async def report(
        self, cursor: LogCursor, watched: Iterable[WatchedAttempt] = (), *, wait_tenths: int = WAIT_TENTHS
    ) -> AgentReport:
        """What has happened since, how everything stands, and what is new in outputs that are watched."""
        done = await self.transport.exec(report_script(self.site, cursor, watched, wait_tenths=wait_tenths))
        return parse_report(done.output, self.site, cursor)

    async def place_restart(self, job: str, files: Mapping[str, str], attempt: int) -> None:
        """Make outputs of a job inputs of its next attempt, keeping what they replace."""
        done = await self.transport.exec(restart_script(self.site, job, files, attempt))
        if done.code:
            raise RemoteRejected(f"job {job} can't be restarted on {self.site.name}: {done.errors.strip()}")


def counted(files: Sequence[TarFile], told: Told) -> Iterator[TarFile]:
    """Files on their way, and how far it is with them: a file is told when the next one is begun."""
    total, done = sum(file.size for file in files), 0
    for file in files:
        told("upload", done, total)
        yield file
        done += file.size
    told("upload", total, total)


def restart_script(site: Host, job: str, files: Mapping[str, str], attempt: int) -> str:
    """Copy outputs over inputs. A second time it does the same as the first."""
    lines = [f"cd {in_shell(site.root)}/jobs/{shlex.quote(job)} || exit"]
    for output, target in files.items():
        kept = f".run/{target}.before-{attempt}"
        lines.append(f"[ -e {shlex.quote(kept)} ] || cp -p {shlex.quote(target)} {shlex.quote(kept)} || exit")
        if output != target:
            lines.append(f"cp -p {shlex.quote(output)} .run/restart && mv .run/restart {shlex.quote(target)} || exit")
    return "\n".join(lines)
