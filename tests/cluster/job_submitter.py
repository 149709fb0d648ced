"""A minimal client of the agent: submit one-line jobs, and read their states."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Iterable

from tasuki.hpc.agent import JobTicket
from tasuki.hpc.agent_report import AgentEvent, AgentReport, LogCursor, parse_event
from tasuki.hpc.host import Host
from tasuki.hpc.job_script import build_job_files, build_job_script, build_payload_script
from tasuki.hpc.remote_commands import RemoteCommands
from tasuki.hpc.schedulers.resources import Resources
from tasuki.hpc.transports.local import LocalTransport
from tasuki.hpc.transports.local_process import LocalProcess
from tasuki.hpc.transports.shell_transport import RemoteProcess
from tests.cluster.cluster_control import Cluster

PATIENCE_SECONDS = 100.0


class AsUser(LocalTransport):
    """A shell of a user of the cluster, as a login would give, without the login."""

    def __init__(self, cluster: Cluster, kind: str) -> None:
        super().__init__()
        self.cluster = cluster
        self.kind = kind

    async def start(self, command: str) -> RemoteProcess:
        user = self.cluster.user(self.kind)
        variables = [f"{name}={value}" for name, value in self.cluster.environment(self.kind).items()]
        become = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={user}",
            "--clear-groups",
            "env",
            "-i",
            f"--chdir={self.cluster.home(self.kind)}",
        ]
        return await LocalProcess.start(*become, *variables, "sh", "-c", command)


class JobSubmitter:
    """Submits jobs to one agent folder, and reads the tickets and events there."""

    def __init__(self, cluster: Cluster, name: str, *, scheduler: str = "pbs", kind: str = "key", **limits: int) -> None:
        self.cluster = cluster
        self.kind = kind
        options = {"grace_seconds": 2, "backoff_seconds": 1} | limits
        self.site = Host(name="here", host="here", scheduler=scheduler, root=f"$HOME/{name}", **options)  # type: ignore[arg-type]
        self.root = cluster.home(kind) / name
        self.exchange = RemoteCommands(self.site, AsUser(cluster, kind))
        self.cursor = LogCursor()
        self.numbers = 0

    # -- what a client does

    def submit(
        self, *payloads: str, walltime: int = 60, check: str | None = None, queue: str | None = None, names: Iterable[str] = ()
    ) -> list[str]:
        """Upload jobs that run these lines, and trigger once."""
        given = list(names) or [f"j{self.numbers + place}" for place in range(len(payloads))]
        files, tickets = [], []
        for id, payload in zip(given, payloads, strict=True):
            resources = Resources(walltime=walltime, queue=queue)
            scripts = {
                "job.sh": build_job_script(id, self.site.scheduler, resources),
                "payload.sh": build_payload_script(payload, resources),
            }
            files += build_job_files(id, scripts | ({"check.sh": check} if check else {}), {})
            tickets.append(JobTicket(id, self.numbers))
            self.numbers += 1
        asyncio.run(self.exchange.upload(files))
        asyncio.run(self.exchange.deliver_tickets(tickets))
        return given

    def trigger(self) -> None:
        """What a sync without news does."""
        asyncio.run(self.exchange.deliver_tickets())

    def cancel(self, *ids: str) -> None:
        """Ask for an end."""
        asyncio.run(self.exchange.deliver_tickets(cancelled_ids=ids))

    def report(self) -> AgentReport:
        """What the agent says has happened since."""
        report = asyncio.run(self.exchange.fetch_report(self.cursor))
        self.cursor = report.cursor
        return report

    # -- what became of it

    def start_agent(self, *, shell: str = "sh") -> subprocess.Popen[bytes]:
        """An agent as a process of its own."""
        user = self.cluster.user(self.kind)
        command = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={user}",
            "--clear-groups",
            *shell.split(),
            str(self.root / "agent.sh"),
            "trigger",
        ]
        return subprocess.Popen(
            command,
            env=self.cluster.environment(self.kind),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def tickets(self, *states: str) -> list[str]:
        """Ids of the jobs whose tickets lie there."""
        return sorted(
            path.name.partition("-")[2] for state in states for path in (self.root / state).iterdir() if path.name[0] != "."
        )

    def events(self) -> list[AgentEvent]:
        """The whole log; every line of it must be one."""
        log = self.root / "log/agent.log"
        lines = log.read_text().splitlines() if log.exists() else []
        events = [parse_event(line) for line in lines]
        assert None not in events, lines
        return [event for event in events if event]

    def kinds(self, id: str) -> list[str]:
        """What happened to a job, in words."""
        return [event.kind for event in self.events() if event.job == id]

    def count(self, kind: str) -> Counter[str]:
        """How often it happened, by job."""
        return Counter(event.job for event in self.events() if event.kind == kind and event.job)

    def wait(self, count: int, *states: str, trigger_every: float | None = None) -> None:
        """Wait until so many tickets lie there; nobody triggers meanwhile, unless it is said."""
        deadline, last = time.monotonic() + PATIENCE_SECONDS, time.monotonic()
        while len(self.tickets(*states)) < count:
            assert time.monotonic() < deadline, f"{self.where()}\n{self.said()}"
            if trigger_every and time.monotonic() - last > trigger_every:
                self.trigger()
                last = time.monotonic()
            time.sleep(0.05)

    def said(self) -> str:
        """The end of the log, and what the agent complained of."""
        return "\n".join(path.read_text()[-3000:] for path in sorted((self.root / "log").iterdir()))

    def where(self) -> dict[str, list[str]]:
        """All tickets."""
        return {state: self.tickets(state) for state in ("waiting", "claimed", "submitted", "done", "failed", "cancelled")}

    def ran(self) -> Counter[str]:
        """How often each job's payload ran: it says so itself."""
        path = self.root / "ran"
        return Counter(path.read_text().split()) if path.exists() else Counter()

    def lock_holder(self) -> int | None:
        """The process that holds the lock."""
        names = [path.name for path in (self.root / "lock").iterdir()]
        return int(names[0].split(".")[1]) if names and names[0] != "free" else None


RUN = 'echo "${PWD##*/}" >>../../ran'
"""A payload that says that it ran: one short line, appended at once."""


def slow(seconds: float) -> str:
    """One that takes its time."""
    return f"{RUN}; sleep {seconds}"
