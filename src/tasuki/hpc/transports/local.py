"""Local transport: tasuki runs on the login node itself."""

from tasuki.errors import RemoteUnavailable, TasukiError
from tasuki.hpc.transports.local_process import LocalProcess
from tasuki.hpc.transports.shell_transport import RemoteProcess, ShellTransport, get_last_line

__all__ = ["LocalTransport"]


class LocalTransport(ShellTransport):
    """Runs commands on this machine."""

    host = "this machine"

    async def open(self) -> None:
        """Do nothing: the machine is always available."""

    async def start(self, command: str) -> RemoteProcess:
        """Start a command."""
        return await LocalProcess.start("sh", "-c", command)

    def build_start_error(self, code: int, errors: str) -> TasukiError:
        """Return the error of a shell that does not run."""
        return RemoteUnavailable(f"no shell runs here (exit code {code}): {get_last_line(errors)}")
