"""asyncssh transport: for machines without OpenSSH. The login lasts as long as this process."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasuki.errors import ConfigError, RemoteRejected, RemoteUnavailable, TasukiError
from tasuki.hpc.transports.shell_transport import PIECE_BYTES, RemoteProcess, ShellTransport, get_last_line

__all__ = ["AsyncSSHTransport", "PromptCallback"]

LOGIN_SECONDS = 60.0
PromptCallback = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Asks a person what the site asks, and returns the answers."""


def import_asyncssh() -> Any:
    """Import asyncssh, which only this transport needs."""
    try:
        import asyncssh
    except ImportError as error:
        raise ConfigError("the transport asyncssh needs an extra", hint="pip install 'tasuki[hpc]'") from error
    return asyncssh


class AsyncSSHTransport(ShellTransport):
    """A host of ssh_config, connected by this process."""

    def __init__(self, host: str, *, name: str | None = None, config: Path | None = None) -> None:
        super().__init__()
        self.host = host
        self.hint = f"tasuki hpc login {name or host}"
        self.config = config
        self.connection: Any = None

    async def login(self, ask: PromptCallback) -> None:
        """Connect, and pass the site's prompts to a person.

        Raise RemoteRejected if the site refuses, RemoteUnavailable if it cannot be reached.
        """
        asyncssh = import_asyncssh()

        class PromptClient(asyncssh.SSHClient):  # type: ignore[misc,name-defined] # a class of a package without types here
            def kbdint_auth_requested(self) -> str:
                return ""

            async def kbdint_challenge_received(
                self, _name: str, _how: str, _lang: str, prompts: Sequence[tuple[str, bool]]
            ) -> Any:
                return list(await ask([prompt for prompt, _ in prompts])) if prompts else []

        configs = {"config": [str(self.config)]} if self.config else {}
        try:
            self.connection = await asyncssh.connect(
                self.host, client_factory=PromptClient, login_timeout=LOGIN_SECONDS, keepalive_interval=30, **configs
            )
        except (OSError, asyncssh.Error) as error:
            if isinstance(error, (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable)) or "authentication" in str(error):
                raise RemoteRejected(f"no login at {self.host}: {error}", hint=f"try: ssh {self.host}") from error
            raise RemoteUnavailable(f"{self.host} can't be reached: {error}") from error

    async def open(self) -> None:
        """Ensure that the connection is open."""
        if self.connection is None or self.connection.is_closed():
            raise RemoteUnavailable(f"nobody is logged in at {self.host}", hint=self.hint)

    async def start(self, command: str) -> RemoteProcess:
        """Start a command of the login shell."""
        await self.open()
        asyncssh = import_asyncssh()
        try:
            return SSHChannel(await self.connection.create_process(command, encoding=None))
        except (OSError, asyncssh.Error) as error:
            raise RemoteUnavailable(f"{self.host} starts no command: {error}") from error

    def build_start_error(self, code: int, errors: str) -> TasukiError:
        """Return the error of a command without output."""
        return RemoteUnavailable(f"{self.host} ran no shell (exit code {code}): {get_last_line(errors)}", hint=self.hint)

    async def close(self) -> None:
        """End the login."""
        if self.connection is not None:
            self.connection.close()
            await self.connection.wait_closed()


class SSHChannel:
    """A `RemoteProcess` over an asyncssh connection."""

    def __init__(self, process: Any) -> None:
        self.process = process

    async def write(self, data: bytes) -> None:
        """Write input. Raise ConnectionError if the process reads no more."""
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def close_input(self) -> None:
        """Close the input."""
        self.process.stdin.write_eof()

    async def read(self) -> bytes:
        """Read output; empty at the end."""
        data: bytes = await self.process.stdout.read(PIECE_BYTES)
        return data

    async def wait(self) -> tuple[int, str]:
        """Wait for the end; return exit code and stderr."""
        errors = await self.process.stderr.read()
        await self.process.wait_closed()
        code = self.process.exit_status
        return (255 if code is None else code), errors.decode(errors="replace")

    async def kill(self) -> None:
        """Kill the process if it runs."""
        with suppress(OSError):
            self.process.close()
