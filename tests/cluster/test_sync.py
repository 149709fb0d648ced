"""A sync is a few round trips, however many jobs there are and however far away they run."""

import asyncio
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tasuki.hpc.agent import Ticket
from tasuki.hpc.exchange import Exchange
from tasuki.hpc.openssh import OpenSSH
from tasuki.hpc.report import Cursor, Report
from tasuki.hpc.resources import Resources
from tasuki.hpc.script import job_files, job_script, payload_script
from tasuki.hpc.site import Site
from tasuki.hpc.tar import Outgoing
from tests.cluster.desk import Desk
from tests.cluster.distance import far_away
from tests.cluster.site import Cluster, type_answers

ROUND_TRIP_SECONDS = 0.05
JOBS, FILES, KNOWN = 100, 4, 1000
ONE_BY_ONE = 40


def with_known_jobs(cluster: Cluster, name: str) -> Desk:
    """A folder in which a thousand jobs have come to their end."""
    desk = Desk(cluster, name)
    desk.trigger()
    lines = []
    for number in range(1, KNOWN + 1):
        (desk.root / f"done/5{number:08d}-k{number}").write_text(f"ID=k{number}\nATTEMPT=1\nSID={number}\n")
        (desk.root / f"flags/k{number}.1").write_text(f"DONE\n{number}.server\nCODE=0\nEND=1795563378\n")
        lines.append(f"v1 {number} 1795563378 DONE k{number} 1 sid={number} code=0 .\n")
    (desk.root / "log/agent.log").write_text("".join(lines))
    subprocess.run(["chown", "-R", f"--reference={desk.root / 'conf'}", desk.root], check=True)
    return desk


def calculations(scheduler: str) -> tuple[list[Outgoing], list[Ticket]]:
    """A hundred jobs of four files each."""
    files, tickets = [], []
    asked = Resources(walltime=60)
    for number in range(JOBS):
        inputs = {f"in{n}": Outgoing("", f"{number} {n}\n".encode() * 200) for n in range(FILES)}
        scripts = {"job.sh": job_script(f"n{number}", scheduler, asked), "payload.sh": payload_script("true", asked)}
        files += job_files(f"n{number}", scripts, inputs)
        tickets.append(Ticket(f"n{number}", KNOWN + number + 1))
    return files, tickets


async def sync(exchange: Exchange, cursor: Cursor) -> tuple[Report, float]:
    """One sync, and how long its upload took."""
    files, tickets = calculations(exchange.site.scheduler)
    started = time.monotonic()
    await exchange.upload(files)
    uploaded = time.monotonic()
    await exchange.hand_over(tickets)
    return await exchange.report(cursor, wait_tenths=2), uploaded - started


def test_a_hundred_jobs_take_three_commands_and_no_time(cluster: Cluster, tmp_path: Path) -> None:
    desk = with_known_jobs(cluster, "far")
    site = Site(name="far", host="far", root="$HOME/far", max_queued=4, max_running=4)
    with TemporaryDirectory(prefix="tk", dir="/tmp") as sockets, far_away(cluster, tmp_path, ROUND_TRIP_SECONDS) as config:
        host = OpenSSH("far", config=config, sockets=Path(sockets))
        code, shown = type_answers(host.login_command(), iter([]))
        assert code == 0, shown
        before = cluster.sessions("key")
        started = time.monotonic()
        report, upload_seconds = asyncio.run(sync(Exchange(site, host), Cursor()))
        seconds = time.monotonic() - started
        assert host.execs == cluster.sessions("key") - before == 3
        assert len(report.states) == KNOWN + JOBS
        assert len(report.flags) >= KNOWN
        assert seconds < 3
        assert sftp_seconds(host, tmp_path) / ONE_BY_ONE * JOBS * FILES > 50 * upload_seconds
        host.logout()
    desk.cancel(*[f"n{number}" for number in range(JOBS)])
    desk.wait(JOBS, "done", "cancelled", trigger_every=1)


def sftp_seconds(host: OpenSSH, folder: Path) -> float:
    """How long a batch of sftp takes that puts files one by one, each in a folder of its own, over the same login."""
    (folder / "file").write_bytes(b"x" * 800)
    batch = "".join(f"-mkdir one{n}\nput {folder / 'file'} one{n}/in\n" for n in range(ONE_BY_ONE))
    started = time.monotonic()
    command = ["sftp", *host.config, "-o", f"ControlPath={host.socket}", "-o", "ControlMaster=no", "-b", "-", host.host]
    subprocess.run(command, input=batch.encode(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started
