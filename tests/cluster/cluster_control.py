"""The test cluster as tests use it: brought up and down, asked for codes, counted, and broken on purpose."""

import os
import pty
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from tests.support.processes import eventually

__all__ = ["CAN_RUN", "WHY_NOT", "Cluster"]

HERE = Path(__file__).parent
PREFIX = "tk-"
NEEDED = ("slurmctld", "slurmd", "munged", "sshd", "oathtool", "qsub", "squeue")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MISSING = [name for name in NEEDED if shutil.which(name, path=SYSTEM_PATH) is None]
CAN_RUN = os.geteuid() == 0 and not MISSING
WHY_NOT = "the cluster needs root" if os.geteuid() else f"the cluster needs {', '.join(MISSING)}: make system-packages"
ASKED = re.compile(rb"(verification code|password|passphrase)[^\n]*:\s*$", re.IGNORECASE)

OUTLIVING = 'set -m; "$@"; code=$?; sleep 0.2; exit $code'
"""As a person's shell: it outlives what goes to the background, and a command has a group of its own, on which nothing hangs up."""


class Cluster:
    """One cluster, in a folder of its own. A `with` block brings it up and takes it down, and what dead tests left behind."""

    def __init__(self) -> None:
        take_down_leftovers()
        self.root = Path(mkdtemp(prefix=PREFIX))
        self.root.chmod(0o755)
        (self.root / "owner").write_text(str(os.getpid()))
        self.facts: dict[str, str] = {}

    def __enter__(self) -> "Cluster":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([HERE / "down", self.root], check=True)

    def up(self) -> None:
        """Start what is not running."""
        done = subprocess.run([HERE / "up", self.root], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.facts = dict(line.split("=", 1) for line in done.stdout.splitlines())

    # -- the client's side

    @property
    def config(self) -> Path:
        """The ssh configuration with the hosts otp, totp, pw, key, gateway and behind."""
        return self.root / "client/config"

    @property
    def ssh_port(self) -> int:
        """Where the login node listens."""
        return int(self.facts["SSH_PORT"])

    @property
    def password(self) -> str:
        """The password of the user pw."""
        return (self.root / "client/password").read_text().strip()

    def user(self, kind: str) -> str:
        """The system's name of a user."""
        return f"tk{self.facts['TAG']}{kind}"

    def home(self, kind: str) -> Path:
        """A user's home folder."""
        return self.root / "home" / self.user(kind)

    def code(self, kind: str) -> str:
        """The code that a user's next login needs. A counted one is not used up by asking."""
        secret, *options = (self.root / "secret" / self.user(kind)).read_text().splitlines()
        counter = next((option.split()[-1] for option in options if "HOTP_COUNTER" in option), None)
        how = ["--totp"] if counter is None else [f"--counter={counter}"]
        return subprocess.run(["oathtool", "--base32", *how, secret], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def authentications(self, kind: str) -> int:
        """How often a user has logged in at the login node, by its log."""
        return len(re.findall(rf"^Accepted .* for {self.user(kind)} from", self.login_log(), re.MULTILINE))

    def sessions(self, kind: str) -> int:
        """How many commands and subsystems a user has started at the login node."""
        return len(re.findall(rf"Starting session: .* for {self.user(kind)} from", self.login_log()))

    def login_log(self) -> str:
        """What the login node's sshd has logged."""
        return (self.root / "log/sshd_login.log").read_text(errors="replace")

    def answers(self, kind: str) -> Iterator[str]:
        """What the person types at login, in its order."""
        if kind == "pw":
            yield self.password
        yield self.code("otp" if kind == "behind" else kind)

    # -- what goes wrong

    def fault(self, name: str, value: object) -> None:
        """Make the scheduler refuse: `reject` with a text, `accept` only so many more."""
        (self.root / "fault" / name).write_text(f"{value}\n")

    def no_faults(self) -> None:
        """Let it take jobs again."""
        for path in (self.root / "fault").iterdir():
            path.unlink()

    def pid(self, name: str) -> int:
        """A daemon's process."""
        return int((self.root / f"run/{name}.pid").read_text())

    @contextmanager
    def scheduler_down(self) -> Iterator[None]:
        """No scheduler answers during the block."""
        pid = self.pid("slurmctld")
        os.kill(pid, signal.SIGTERM)  # what is killed may forget jobs that were just submitted
        eventually(lambda: not alive(pid))
        try:
            yield
        finally:
            self.up()

    def slurm(self, *command: str) -> str:
        """Run a command of the scheduler as its operator."""
        variables = os.environ | {"SLURM_CONF": self.facts["SLURM_CONF"], "PATH": SYSTEM_PATH}
        return subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout

    def kill_node(self, name: str) -> None:
        """SIGKILL a node with everything that runs on it, as a power cut does."""
        jobs = self.slurm("squeue", "--noheader", f"--nodelist={name}", "--states=running", "--format=%A").split()
        steps = tuple(f"slurmstepd: [{job}." for job in jobs)
        ours = [pid for pid in processes() if command_line(pid).startswith((f"slurmd -N {name} ", *steps)) and self.is_ours(pid)]
        for pid in [one for process in ours for one in [process, *descendants(process)]]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def is_ours(self, pid: int) -> bool:
        """Whether a process was started for this cluster."""
        with suppress(OSError):
            return any(str(self.root).encode() in Path(f"/proc/{pid}/{what}").read_bytes() for what in ("environ", "cmdline"))
        return False

    def as_user(self, kind: str, script: str, *, shell: str = "sh", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a script on the login node as a user who needs no network."""
        command = ["setpriv", f"--reuid={self.user(kind)}", f"--regid={self.user(kind)}", "--clear-groups", *shell.split(), "-s"]
        return subprocess.run(
            command, input=script, env=self.environment(kind), cwd=self.home(kind), capture_output=True, text=True, timeout=timeout
        )

    def environment(self, kind: str) -> dict[str, str]:
        """What a user's processes have in their environment."""
        user = self.user(kind)
        return {
            "HOME": str(self.home(kind)),
            "USER": user,
            "LOGNAME": user,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SLURM_CONF": self.facts["SLURM_CONF"],
        }


def type_answers(command: list[str], answers: Iterator[str], *, timeout: float = 30, **options: object) -> tuple[int, str]:
    """Run a command on a terminal of its own, and type an answer whenever it asks; returns its exit code and what it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        shell = ["bash", "-c", OUTLIVING, "bash", *command]
        os.execvpe(shell[0], shell, {**os.environ, **options})  # type: ignore[dict-item]
    shown, deadline, seen = b"", time.monotonic() + timeout, 0
    try:
        while time.monotonic() < deadline:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # the terminal's last process has ended
                break
            shown += data
            if ASKED.search(shown[seen:]):
                seen = len(shown)
                os.write(terminal, next(answers, "").encode() + b"\n")
    finally:
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


def take_down_leftovers() -> None:
    """A cluster outlives a test session that was killed: the next one ends it."""
    for root in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):
            if not alive(int((root / "owner").read_text())):
                subprocess.run([HERE / "down", root], check=False)


def processes() -> list[int]:
    """Every process of this machine."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def command_line(pid: int) -> str:
    """How a process was started."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def descendants(pid: int) -> list[int]:
    """Every process below another."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """Whether there is such a process, and it does not only wait to be reaped."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
