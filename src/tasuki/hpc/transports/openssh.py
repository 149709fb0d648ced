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
from tasuki.hpc.transports.shell_transport import RemoteProcess, ShellTransport, get_last_line

__all__ = ["OpenSSHTransport", "create_socket_folder"]

LOGIN_LIFETIME = "8h"
"""How long a login that nobody uses stays."""
MAX_SOCKET_PATH_BYTES = 104 - 17
"""The least that systems allow, less what ssh adds while it makes one."""
MASTER_TIMEOUT_SECONDS = 10.0
MASTER_ONLY_OPTIONS = ("-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", "ProxyCommand=false", "-o", "LogLevel=ERROR")
KEEP_ALIVE_OPTIONS = ("-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=4")


def create_socket_folder() -> Path:
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
        self.config_options = ("-F", str(config)) if config else ()
        label = f"{host}\n{config or ''}"
        self.socket = (sockets or create_socket_folder()) / hashlib.sha256(label.encode()).hexdigest()[:16]
        if len(os.fsencode(self.socket)) > MAX_SOCKET_PATH_BYTES:
            raise ConfigError(f"the path {self.socket} is too long for a socket", hint="choose a folder with a shorter name")

    # -- the person's part

    def build_login_command(self) -> list[str]:
        """Build the login command: it prompts, then stays in the background."""
        master = ("-o", "ControlMaster=yes", "-o", f"ControlPersist={LOGIN_LIFETIME}", "-o", f"ControlPath={self.socket}")
        return ["ssh", *self.config_options, "-fN", *master, *KEEP_ALIVE_OPTIONS, "--", self.host]

    def login(self) -> bool:
        """Log in on this terminal; False if a login existed. Raise RemoteRejected if that fails."""
        if self.is_live():
            return False
        self.socket.unlink(missing_ok=True)  # a dead master's
        code = subprocess.run(self.build_login_command()).returncode
        if code or not self.is_live():
            raise RemoteRejected(f"no login at {self.host} (ssh ended with {code})", hint=f"see above; try: ssh {self.host}")
        return True

    def logout(self) -> bool:
        """End the login; False if there was none."""
        was_live = self.is_live()
        if was_live:
            self.call_master("exit")
        self.socket.unlink(missing_ok=True)
        return was_live

    def is_live(self) -> bool:
        """Return whether the master answers."""
        return self.call_master("check") == 0

    def call_master(self, action: str) -> int:
        """Send the master a control command; return its exit code."""
        try:
            return subprocess.run(
                self.build_master_command(action), stdin=subprocess.DEVNULL, capture_output=True, timeout=MASTER_TIMEOUT_SECONDS
            ).returncode
        except subprocess.TimeoutExpired:
            return 255

    def build_master_command(self, action: str) -> list[str]:
        """Build a control command for the master. It never connects."""
        return ["ssh", *self.config_options, "-S", str(self.socket), "-O", action, "--", self.host]

    # -- all the rest

    async def open(self) -> None:
        """Ensure that the master answers."""
        if not self.socket.exists() or not await asyncio.to_thread(self.is_live):
            raise self.build_login_error()

    async def start(self, command: str) -> RemoteProcess:
        """Start a command of the login shell, through the master."""
        if not self.socket.exists():
            raise self.build_login_error()
        return await LocalProcess.start(
            "ssh", *self.config_options, "-S", str(self.socket), *MASTER_ONLY_OPTIONS, "-T", "--", self.host, command
        )

    def build_start_error(self, code: int, errors: str) -> TasukiError:
        """Return the error: the host refused the session, or the master is gone."""
        if "refused by peer" in errors:
            return RemoteUnavailable(f"{self.host} allows no more sessions at once", hint="end some that use the same login")
        if code == 255:
            return self.build_login_error()
        return RemoteUnavailable(f"{self.host} ran no shell (exit code {code}): {get_last_line(errors)}")

    def build_login_error(self) -> RemoteUnavailable:
        """Return the error for a missing login."""
        return RemoteUnavailable(f"nobody is logged in at {self.host}", hint=self.hint)
