"""OpenSSH transport: a person logs in once, by any means the site asks for.

All commands share that connection.

A master is started on the person's terminal (`login`). Every command after that goes through its socket and can't do anything else:
the way past it, a connection of its own, leads to `false`. So a site that bans whoever fails to log in sees one login and no other.
The socket is called by a hash of ours, not by ssh's %C: what that is made of differs with ssh's version and with ProxyCommand.
"""

import asyncio
import hashlib
import os
import stat
import subprocess
from pathlib import Path

from tasuki.errors import ConfigError, RemoteRejected, RemoteUnavailable, TasukiError
from tasuki.hpc.transports.local_process import LocalProcess
from tasuki.hpc.transports.shell_transport import RemoteProcess, ShellTransport, last_line

__all__ = ["OpenSSHTransport", "socket_folder"]

KEPT = "8h"
"""How long a login that nobody uses stays."""
LONGEST_SOCKET_PATH = 104 - 17
"""The least that systems allow, less what ssh adds while it makes one."""
CHECK_SECONDS = 10.0
NO_WAY_PAST = ("-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", "ProxyCommand=false", "-o", "LogLevel=ERROR")
KEEP_ALIVE = ("-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=4")


def socket_folder() -> Path:
    """Return the folder of sockets: a short path on this machine, accessible to its owner alone."""
    folder = Path(f"/tmp/tasuki-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(f"{folder} is not a folder of yours alone", hint=f"rm -r {folder}, or ask who made it")
    return folder


class OpenSSHTransport(ShellTransport):
    """A host as the user's ssh knows it: all of ssh_config applies, with ProxyJump and Match."""

    def __init__(self, host: str, *, name: str | None = None, config: Path | None = None, sockets: Path | None = None) -> None:
        super().__init__()
        self.host = host
        self.hint = f"tasuki hpc login {name or host}"
        self.config = ("-F", str(config)) if config else ()
        label = f"{host}\n{config or ''}"
        self.socket = (sockets or socket_folder()) / hashlib.sha256(label.encode()).hexdigest()[:16]
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            raise ConfigError(f"the path {self.socket} is too long for a socket", hint="choose a folder with a shorter name")

    # -- the person's part

    def login_command(self) -> list[str]:
        """Build the login command: it prompts, then stays in the background."""
        master = ("-o", "ControlMaster=yes", "-o", f"ControlPersist={KEPT}", "-o", f"ControlPath={self.socket}")
        return ["ssh", *self.config, "-fN", *master, *KEEP_ALIVE, "--", self.host]

    def login(self) -> bool:
        """Log in on this terminal; False if a login existed. Raise RemoteRejected if that fails."""
        if self.is_live():
            return False
        self.socket.unlink(missing_ok=True)  # a dead master's
        code = subprocess.run(self.login_command()).returncode
        if code or not self.is_live():
            raise RemoteRejected(f"no login at {self.host} (ssh ended with {code})", hint=f"see above; try: ssh {self.host}")
        return True

    def logout(self) -> bool:
        """End the login; False if there was none."""
        was_live = self.is_live()
        if was_live:
            self.ask_master("exit")
        self.socket.unlink(missing_ok=True)
        return was_live

    def is_live(self) -> bool:
        """Return whether the master answers."""
        return self.ask_master("check") == 0

    def ask_master(self, what: str) -> int:
        """Send the master a control command; return its exit code."""
        try:
            return subprocess.run(
                self.master_command(what), stdin=subprocess.DEVNULL, capture_output=True, timeout=CHECK_SECONDS
            ).returncode
        except subprocess.TimeoutExpired:
            return 255

    def master_command(self, what: str) -> list[str]:
        """Build a control command for the master. It never connects."""
        return ["ssh", *self.config, "-S", str(self.socket), "-O", what, "--", self.host]

    # -- all the rest

    async def open(self) -> None:
        """Ensure that the master answers."""
        if not self.socket.exists() or not await asyncio.to_thread(self.is_live):
            raise self.nobody()

    async def start(self, command: str) -> RemoteProcess:
        """Start a command of the login shell, through the master."""
        if not self.socket.exists():
            raise self.nobody()
        return await LocalProcess.start("ssh", *self.config, "-S", str(self.socket), *NO_WAY_PAST, "-T", "--", self.host, command)

    def failure(self, code: int, errors: str) -> TasukiError:
        """Return the error: the host refused the session, or the master is gone."""
        if "refused by peer" in errors:
            return RemoteUnavailable(f"{self.host} allows no more sessions at once", hint="end some that use the same login")
        if code == 255:
            return self.nobody()
        return RemoteUnavailable(f"{self.host} ran no shell (exit code {code}): {last_line(errors)}")

    def nobody(self) -> RemoteUnavailable:
        """Return the error for a missing login."""
        return RemoteUnavailable(f"nobody is logged in at {self.host}", hint=self.hint)
