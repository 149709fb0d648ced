"""Commands of one sync: upload inputs as one stream, hand over tickets, read the report."""

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
    """Commands at one host. Each may be repeated after a failure: nothing is done twice."""

    def __init__(self, site: Host, transport: HostTransport) -> None:
        self.site = site
        self.transport = transport

    async def upload(self, files: Sequence[TarFile], told: Told = quiet) -> None:
        """Upload the folders of jobs. Without a ticket, nothing happens to them."""
        await self.transport.put_tar(counted(files, told), f"{self.site.root}/jobs", timeout=UPLOAD_SECONDS)

    async def hand_over(self, tickets: Iterable[JobTicket] = (), cancelled: Iterable[str] = ()) -> None:
        """Give the agent its tickets and cancel requests, deploy it if necessary, and trigger it."""
        done = await self.transport.exec(hand_over_script(self.site, tickets, cancelled))
        if failure := hand_over_failure(self.site, done):
            raise failure

    async def report(
        self, cursor: LogCursor, watched: Iterable[WatchedAttempt] = (), *, wait_tenths: int = WAIT_TENTHS
    ) -> AgentReport:
        """Read events since the cursor, the state of every job, and new output of watched attempts."""
        done = await self.transport.exec(report_script(self.site, cursor, watched, wait_tenths=wait_tenths))
        return parse_report(done.output, self.site, cursor)

    async def place_restart(self, job: str, files: Mapping[str, str], attempt: int) -> None:
        """Copy outputs of a job over inputs of its next attempt, keeping what they replace."""
        done = await self.transport.exec(restart_script(self.site, job, files, attempt))
        if done.code:
            raise RemoteRejected(f"job {job} can't be restarted on {self.site.name}: {done.errors.strip()}")


def counted(files: Sequence[TarFile], told: Told) -> Iterator[TarFile]:
    """Yield files and report progress: a file counts as sent when the next one begins."""
    total, done = sum(file.size for file in files), 0
    for file in files:
        told("upload", done, total)
        yield file
        done += file.size
    told("upload", total, total)


def restart_script(site: Host, job: str, files: Mapping[str, str], attempt: int) -> str:
    """Build the script that copies outputs over inputs. Idempotent."""
    lines = [f"cd {in_shell(site.root)}/jobs/{shlex.quote(job)} || exit"]
    for output, target in files.items():
        kept = f".run/{target}.before-{attempt}"
        lines.append(f"[ -e {shlex.quote(kept)} ] || cp -p {shlex.quote(target)} {shlex.quote(kept)} || exit")
        if output != target:
            lines.append(f"cp -p {shlex.quote(output)} .run/restart && mv .run/restart {shlex.quote(target)} || exit")
    return "\n".join(lines)
