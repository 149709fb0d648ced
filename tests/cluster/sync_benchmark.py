"""A sync with a hundred new jobs and a thousand known ones, over a login that is 50 ms away; and the same files one by one."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tasuki.hpc.agent import JobTicket
from tasuki.hpc.agent_report import AgentReport, LogCursor
from tasuki.hpc.host import Host
from tasuki.hpc.job_script import build_job_files, build_job_script, build_payload_script
from tasuki.hpc.remote_commands import RemoteCommands
from tasuki.hpc.schedulers.resources import Resources
from tasuki.hpc.transports.openssh import OpenSSHTransport
from tasuki.hpc.transports.tar_stream import TarFile
from tests.cluster.cluster_control import Cluster, type_answers
from tests.cluster.job_submitter import JobSubmitter
from tests.cluster.latency_proxy import far_away

__all__ = ["FILES", "JOBS", "KNOWN", "ONE_BY_ONE", "Measured", "far_login", "one_by_one_seconds", "synced"]

ROUND_TRIP_SECONDS = 0.05
JOBS, FILES, KNOWN = 100, 4, 1000
ONE_BY_ONE = 40


class Measured(NamedTuple):
    """One sync: how long it took in all and for the upload, how many commands it was, and what it brought."""

    seconds: float
    upload_seconds: float
    commands: int
    report: AgentReport


@contextmanager
def far_login(cluster: Cluster, folder: Path) -> Iterator[OpenSSHTransport]:
    """A login, for the block, at a host 50 ms away."""
    with TemporaryDirectory(prefix="tk", dir="/tmp") as sockets, far_away(cluster, folder, ROUND_TRIP_SECONDS) as config:
        host = OpenSSHTransport("far", config=config, sockets=Path(sockets))
        code, shown = type_answers(host.build_login_command(), iter([]))
        assert code == 0, shown
        yield host
        host.logout()


def synced(cluster: Cluster, host: OpenSSHTransport, name: str) -> Measured:
    """Sync a folder of that name, in which a thousand jobs are over. What was submitted is cancelled behind it."""
    submitter = with_known_jobs(cluster, name)
    site = Host(name="far", host="far", root=f"$HOME/{name}", max_queued=4, max_running=4)
    before, began = host.command_count, time.monotonic()
    report, upload_seconds = asyncio.run(sync(RemoteCommands(site, host)))
    measured = Measured(time.monotonic() - began, upload_seconds, host.command_count - before, report)
    submitter.cancel(*[f"n{number}" for number in range(JOBS)])
    submitter.wait(JOBS, "done", "cancelled", trigger_every=1)
    return measured


async def sync(exchange: RemoteCommands) -> tuple[AgentReport, float]:
    """One sync, and how long its upload took."""
    files, tickets = calculations(exchange.host.scheduler)
    began = time.monotonic()
    await exchange.upload(files)
    uploaded = time.monotonic()
    await exchange.deliver_tickets(tickets)
    return await exchange.fetch_report(LogCursor(), wait_tenths=2), uploaded - began


def calculations(scheduler: str) -> tuple[list[TarFile], list[JobTicket]]:
    """A hundred jobs of four files each."""
    files, tickets = [], []
    asked = Resources(walltime=60)
    for number in range(JOBS):
        inputs = {f"in{n}": TarFile("", f"{number} {n}\n".encode() * 200) for n in range(FILES)}
        scripts = {"job.sh": build_job_script(f"n{number}", scheduler, asked), "payload.sh": build_payload_script("true", asked)}
        files += build_job_files(f"n{number}", scripts, inputs)
        tickets.append(JobTicket(f"n{number}", KNOWN + number + 1))
    return files, tickets


def with_known_jobs(cluster: Cluster, name: str) -> JobSubmitter:
    """A folder in which a thousand jobs have come to their end."""
    submitter = JobSubmitter(cluster, name)
    submitter.trigger()
    lines = []
    for number in range(1, KNOWN + 1):
        (submitter.root / f"done/5{number:08d}-k{number}").write_text(f"ID=k{number}\nATTEMPT=1\nSID={number}\n")
        (submitter.root / f"flags/k{number}.1").write_text(f"DONE\n{number}.server\nCODE=0\nEND=1795563378\n")
        lines.append(f"v1 {number} 1795563378 DONE k{number} 1 sid={number} code=0 .\n")
    (submitter.root / "log/agent.log").write_text("".join(lines))
    subprocess.run(["chown", "-R", f"--reference={submitter.root / 'conf'}", submitter.root], check=True)
    return submitter


def one_by_one_seconds(host: OpenSSHTransport, folder: Path) -> float:
    """How long a hundred jobs' files take with sftp, which puts one after the other, as it does with some of them."""
    (folder / "file").write_bytes(b"x" * 800)
    batch = "".join(f"-mkdir one{n}\nput {folder / 'file'} one{n}/in\n" for n in range(ONE_BY_ONE))
    command = ["sftp", *host.config_options, "-o", f"ControlPath={host.socket}", "-o", "ControlMaster=no", "-b", "-", host.host]
    began = time.monotonic()
    subprocess.run(command, input=batch.encode(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.monotonic() - began) / ONE_BY_ONE * JOBS * FILES
