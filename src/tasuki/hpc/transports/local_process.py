"""A command as a child process."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Self

from tasuki.hpc.transports.shell_transport import PIECE_BYTES

__all__ = ["LocalProcess"]


class LocalProcess:
    """A `RemoteProcess` on this machine: a shell, or an ssh connected to one."""

    def __init__(self, process: asyncio.subprocess.Process, transport: asyncio.SubprocessTransport) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.transport = transport
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.stderr_task = asyncio.create_task(process.stderr.read())

    @classmethod
    async def start(cls, *command: str) -> Self:
        """Start the process."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=PIECE_BYTES, loop=loop), *command, start_new_session=True
        )
        return cls(asyncio.subprocess.Process(transport, protocol, loop), transport)

    async def write(self, data: bytes) -> None:
        """Write input. Raise BrokenPipeError if the process reads no more."""
        self.stdin.write(data)
        await self.stdin.drain()

    async def close_input(self) -> None:
        """Close the input."""
        self.stdin.close()
        await self.stdin.wait_closed()

    async def read(self) -> bytes:
        """Read output; empty at the end."""
        return await self.stdout.read(PIECE_BYTES)

    async def wait(self) -> tuple[int, str]:
        """Wait for the end; return exit code and stderr."""
        errors = await self.stderr_task
        return await self.process.wait(), errors.decode(errors="replace")

    async def kill(self) -> None:
        """Kill the process and its children if it runs; processes that outlive a normal end may stay."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.transport.close()  # its pipes too: an ssh that shares a connection has given them to the one that has it
        await self.process.wait()
        self.stderr_task.cancel()
