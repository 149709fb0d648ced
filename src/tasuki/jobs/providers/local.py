"""Local provider: jobs as processes of this machine that outlive the process that started them.

jobs/<id>/<attempt>/    log       what the job writes
                        started/  made by whoever may run it: the wrapper, or one who gives it up
                        process   pid, its start and the boot, as the wrapper has written them
                        cancel    somebody wants it to end
                        told      it was sent TERM
                        exit      its exit code; there when it is over

A wrapper in POSIX sh runs the command in a session of its own and writes the exit code by rename. Whoever looks later reads files;
a process that is gone without an exit code was killed, or the machine went down.
"""

import hashlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tasuki.atomic_files import replace_file
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import ConfigError, NotFound, RequestRejected
from tasuki.jobs.providers.protocol import ProviderAccount, ProviderJob, ProviderPage
from tasuki.jobs.storage.log_store import LOG_FILE, get_job_folder
from tasuki.jobs.storage.requests import JobRequest, restart_from_inputs
from tasuki.journal import identify_current_process, read_pid_start
from tasuki.records import Job, JobStatus, Observation
from tasuki.settings import LocalSettings, job_environment

__all__ = ["LocalProvider"]

WRAPPER_SCRIPT = """
place=$1; shift
mkdir "$place/started" 2>/dev/null || exit 98
{ echo $$; cat /proc/$$/stat /proc/sys/kernel/random/boot_id; } > "$place/process.new" 2>/dev/null
mv "$place/process.new" "$place/process"
trap : TERM INT HUP
"$@"
code=$?
echo $code > "$place/exit.new" && mv "$place/exit.new" "$place/exit"
"""
STAT_START_FIELD = 19
MAX_START_US = 5_000_000
"""A wrapper that has not begun after so long, and whose starter is gone, does not begin any more."""


class WrapperProcess(NamedTuple):
    """The wrapper process of an attempt, identified by pid, start time, and boot."""

    pid: int
    start: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        if not self.boot:  # a system without /proc
            return is_pid_alive(self.pid)
        return self.boot == identify_current_process().boot and read_pid_start(self.pid) == self.start


class LocalProvider:
    """The local jobs of one data folder."""

    name = "local"
    title = "this machine"
    hardware: str | None = None
    prices: Mapping[str, float] = {}
    defers_submission = True

    def __init__(self, root: Path, settings: LocalSettings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.root = root
        self.settings = settings
        self.clock = clock
        place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
        self.account: str | None = f"{socket.gethostname()}:{place}"
        self.children: list[subprocess.Popen[bytes]] = []

    async def close(self) -> None:
        """Do nothing but reap children: jobs continue."""
        self.reap()

    async def validate(self) -> ProviderAccount:
        """Return that the local machine is always available."""
        return ProviderAccount(valid=True, user_info={"host": socket.gethostname()})

    def may_know_job(self, job: Job, /) -> bool:  # noqa: ARG002 - the protocol's
        """Return True: every job is here."""
        return True

    def check_request(self, request: JobRequest, /) -> None:
        """Raise ConfigError if there is no command."""
        if not request.command:
            raise ConfigError("no command is named", hint='{"command": ["python", "train.py"]}')

    def build_retry_metadata(self, job: Job, request: JobRequest | None, restart: str | None, /) -> dict[str, Any]:
        """Return the metadata of a new attempt: a command starts over."""
        return restart_from_inputs(job, request, restart)

    async def prepare(self, _: Job, request: JobRequest, /) -> JobRequest:
        """Return the request unchanged: nothing is uploaded."""
        return request

    async def submit(self, job: Job, request: JobRequest) -> ProviderJob:
        """Start the process. Only the process that creates the attempt's folder may do so."""
        place = self.get_attempt_folder(job)
        place.mkdir(parents=True, exist_ok=True)
        if (place / "started").exists():
            return await self.fetch_job(job)
        with (place / LOG_FILE).open("ab") as log:
            try:
                child = subprocess.Popen(
                    ["/bin/sh", "-c", WRAPPER_SCRIPT, "tasuki-job", str(place), *request.command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=job_environment(job.id, request.env),
                    cwd=request.cwd,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise RequestRejected(f"the process can't be started: {error}") from error
        self.children.append(child)
        return ProviderJob(self.build_observation(job, JobStatus.RUNNING, "running", started=self.clock.now_us()))

    async def fetch_job(self, job: Job) -> ProviderJob:
        """Return the state that the attempt's files show. Raise NotFound if there are none."""
        self.reap()
        place = self.get_attempt_folder(job)
        if (place / "exit").exists():
            return ProviderJob(self.observe_exit(job, place))
        process = read_process(place)
        if process is not None and not process.is_alive and not (place / "exit").exists():
            return ProviderJob(self.observe_vanished(job, place))
        if process is not None:
            self.kill_if_overdue(place, process)
            return ProviderJob(
                self.build_observation(job, JobStatus.RUNNING, "running", started=get_modified_us(place / "process"))
            )
        if not place.exists():
            raise NotFound(f"job {job.id} has no process here")
        return ProviderJob(self.observe_unstarted(job, place))

    async def list_jobs(self, cursor: str | None) -> ProviderPage:  # noqa: ARG002 - there are no more
        """Return an empty page: only this folder starts jobs here."""
        return ProviderPage([], None)

    async def cancel(self, job: Job) -> ProviderJob:
        """Send TERM to the whole session; a later look sends KILL to the rest."""
        place = self.get_attempt_folder(job)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "cancel").exists():
            replace_file(place / "cancel", b"")
        process = read_process(place)
        if process is not None and process.is_alive and not (place / "told").exists():
            send_signal(process, signal.SIGTERM)
            replace_file(place / "told", b"")
        return await self.fetch_job(job)

    # -- how

    def get_attempt_folder(self, job: Job) -> Path:
        """Return the folder of an attempt."""
        return get_job_folder(self.root, job.id) / str(job.attempt)

    def build_observation(self, job: Job, status: JobStatus, raw_status: str, **fields: object) -> Observation:
        """Build an observation; a local job's name is its id."""
        return Observation(time=0, status=status, raw_status=raw_status, external_id=f"{job.id}.{job.attempt}", **fields)  # type: ignore[arg-type] # fields of it

    def observe_exit(self, job: Job, folder: Path) -> Observation:
        """Build the observation of an exit code. Exit code 0 is completed, even after a cancel request."""
        code = int((folder / "exit").read_text() or 1)
        times = {"started": get_modified_us(folder / "process"), "ended": get_modified_us(folder / "exit")}
        if code == 0:
            return self.build_observation(job, JobStatus.COMPLETED, "exit code 0", **times)
        if (folder / "cancel").exists():
            return self.build_observation(job, JobStatus.CANCELLED, f"exit code {code}", error_message="cancelled", **times)
        return self.build_observation(job, JobStatus.FAILED, f"exit code {code}", error_message=f"exit code {code}", **times)

    def observe_vanished(self, job: Job, folder: Path) -> Observation:
        """Build the observation of a process that is gone without an exit code.

        Killed, or the machine went down.
        """
        times = {"started": get_modified_us(folder / "process"), "ended": self.clock.now_us()}
        if (folder / "cancel").exists():
            return self.build_observation(job, JobStatus.CANCELLED, "killed", error_message="cancelled", **times)
        reason = "its process is gone without an exit code: killed, or the machine went down"
        return self.build_observation(job, JobStatus.FAILED, "gone", error_message=reason, **times)

    def observe_unstarted(self, job: Job, folder: Path) -> Observation:
        """Handle an attempt without a process: its starter died, or started a moment ago.

        Creating `started` decides.
        """
        if (folder / "cancel").exists() and claim_start(folder):
            return self.build_observation(job, JobStatus.CANCELLED, "never started", error_message="cancelled")
        age = self.clock.now_us() - (get_modified_us(folder) or 0)
        if age > MAX_START_US and ((folder / "started").exists() or claim_start(folder)):
            reason = "it was about to be started when whoever started it ended"
            return self.build_observation(job, JobStatus.FAILED, "never started", error_message=reason, ended=self.clock.now_us())
        return self.build_observation(job, JobStatus.QUEUED, "starting")

    def kill_if_overdue(self, folder: Path, process: WrapperProcess) -> None:
        """Send KILL to a session that was asked to end long ago."""
        asked = get_modified_us(folder / "cancel")
        if asked is not None and self.clock.now_us() - asked > self.settings.kill_seconds * 1_000_000:
            send_signal(process, signal.SIGKILL)

    def reap(self) -> None:
        """Reap children, so that none stays a zombie."""
        self.children = [child for child in self.children if child.poll() is None]


def claim_start(folder: Path) -> bool:
    """Return whether this call claims an attempt that nobody has started."""
    with suppress(FileExistsError):
        (folder / "started").mkdir()
        return True
    return False


def read_process(folder: Path) -> WrapperProcess | None:
    """Read the wrapper's own record of itself; None until it has written one."""
    try:
        pid, *lines = (folder / "process").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 2:
        return WrapperProcess(int(pid), 0, "")
    return WrapperProcess(int(pid), int(lines[0][lines[0].rindex(")") + 2 :].split()[STAT_START_FIELD]), lines[1])


def is_pid_alive(pid: int) -> bool:
    """Return whether a process with this pid exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def send_signal(process: WrapperProcess, signal_number: signal.Signals) -> None:
    """Signal every process of the wrapper's session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_number)


def get_modified_us(path: Path) -> int | None:
    """Return when a file was written; None if it does not exist."""
    try:
        return path.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return None
