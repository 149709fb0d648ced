"""No way at all: tasuki runs on the login node itself."""

from tasuki.errors import RemoteUnavailable, TasukiError
from tasuki.hpc.transports.local_process import LocalProcess
from tasuki.hpc.transports.shell_transport import RemoteProcess, ShellTransport, last_line

__all__ = ["LocalTransport"]


class LocalTransport(ShellTransport):
    """Commands of this machine."""

    host = "this machine"

    async def open(self) -> None:
        """It is always there."""

    async def start(self, command: str) -> RemoteProcess:
        """Start a command."""
        return await LocalProcess.start("sh", "-c", command)

    def failure(self, code: int, errors: str) -> TasukiError:
        """A shell that does not run."""
        return RemoteUnavailable(f"no shell runs here (exit code {code}): {last_line(errors)}")
