"""Commands of one sync: upload inputs as one stream, hand over tickets, read the report."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tasuki.errors import RemoteRejected
from tasuki.hpc.agent import JobTicket, build_delivery_script, find_delivery_error
from tasuki.hpc.agent_report import WAIT_TENTHS, AgentReport, LogCursor, build_report_script, parse_report
from tasuki.hpc.host import Host
from tasuki.hpc.live_outputs import WatchedAttempt
from tasuki.hpc.transports.protocol import HostTransport, ProgressCallback, ignore_progress, quote_path
from tasuki.hpc.transports.tar_stream import TarFile

__all__ = ["RemoteCommands"]

UPLOAD_TIMEOUT_SECONDS = 3600.0


class RemoteCommands:
    """Commands at one host. Each may be repeated after a failure: nothing is done twice."""

    def __init__(self, host: Host, transport: HostTransport) -> None:
        self.host = host
        self.transport = transport

    async def upload(self, files: Sequence[TarFile], on_progress: ProgressCallback = ignore_progress) -> None:
        """Upload the folders of jobs. Without a ticket, nothing happens to them."""
        await self.transport.put_tar(
            iter_with_progress(files, on_progress), f"{self.host.root}/jobs", timeout=UPLOAD_TIMEOUT_SECONDS
        )

    async def deliver_tickets(self, tickets: Iterable[JobTicket] = (), cancelled_ids: Iterable[str] = ()) -> None:
        """Give the agent its tickets and cancel requests, deploy it if necessary, and trigger it."""
        done = await self.transport.exec(build_delivery_script(self.host, tickets, cancelled_ids))
        if failure := find_delivery_error(self.host, done):
            raise failure

    async def fetch_report(
        self, cursor: LogCursor, watched_attempts: Iterable[WatchedAttempt] = (), *, wait_tenths: int = WAIT_TENTHS
    ) -> AgentReport:
        """Read events since the cursor, the state of every job, and new output of watched attempts."""
        done = await self.transport.exec(build_report_script(self.host, cursor, watched_attempts, wait_tenths=wait_tenths))
        return parse_report(done.output, self.host, cursor)

    async def install_restart_files(self, job: str, files: Mapping[str, str], attempt: int) -> None:
        """Copy outputs of a job over inputs of its next attempt, keeping what they replace."""
        done = await self.transport.exec(build_restart_script(self.host, job, files, attempt))
        if done.code:
            raise RemoteRejected(f"job {job} can't be restarted on {self.host.name}: {done.errors.strip()}")


def iter_with_progress(files: Sequence[TarFile], on_progress: ProgressCallback) -> Iterator[TarFile]:
    """Yield files and report progress: a file counts as sent when the next one begins."""
    total, done = sum(file.size for file in files), 0
    for file in files:
        on_progress("upload", done, total)
        yield file
        done += file.size
    on_progress("upload", total, total)


def build_restart_script(host: Host, job: str, files: Mapping[str, str], attempt: int) -> str:
    """Build the script that copies outputs over inputs. Idempotent."""
    lines = [f"cd {quote_path(host.root)}/jobs/{shlex.quote(job)} || exit"]
    for output, target in files.items():
        kept = f".run/{target}.before-{attempt}"
        lines.append(f"[ -e {shlex.quote(kept)} ] || cp -p {shlex.quote(target)} {shlex.quote(kept)} || exit")
        if output != target:
            lines.append(f"cp -p {shlex.quote(output)} .run/restart && mv .run/restart {shlex.quote(target)} || exit")
    return "\n".join(lines)
