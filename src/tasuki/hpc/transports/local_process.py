"""A command that is a child process of ours."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Self

from tasuki.hpc.transports.shell_transport import PIECE_BYTES

__all__ = ["LocalProcess"]


class LocalProcess:
    """A `RemoteProcess` on this machine: a shell, or an ssh that has one at its other end."""

    def __init__(self, process: asyncio.subprocess.Process, transport: asyncio.SubprocessTransport) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.transport = transport
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.complaints = asyncio.create_task(process.stderr.read())

    @classmethod
    async def start(cls, *command: str) -> Self:
        """Start it."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=PIECE_BYTES, loop=loop), *command, start_new_session=True
        )
        return cls(asyncio.subprocess.Process(transport, protocol, loop), transport)

    async def write(self, data: bytes) -> None:
        """Give it input; BrokenPipeError if it takes none."""
        self.stdin.write(data)
        await self.stdin.drain()

    async def end_input(self) -> None:
        """There is no more input."""
        self.stdin.close()
        await self.stdin.wait_closed()

    async def read(self) -> bytes:
        """The next of its output; nothing at the end."""
        return await self.stdout.read(PIECE_BYTES)

    async def finished(self) -> tuple[int, str]:
        """Its exit code and what it complained of, when it has ended."""
        errors = await self.complaints
        return await self.process.wait(), errors.decode(errors="replace")

    async def kill(self) -> None:
        """End it with all it has started, if it has not ended; what it left behind when it ended by itself was meant to stay."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.transport.close()  # its pipes too: an ssh that shares a connection has given them to the one that has it
        await self.process.wait()
        self.complaints.cancel()
