"""Scripts and archives over any process at the other end: shared by all transports."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from tasuki.errors import RemoteRejected, RemoteUnavailable, TasukiError
from tasuki.hpc.transports.output_markers import OutputMarkers
from tasuki.hpc.transports.protocol import TIMEOUT_SECONDS, CommandResult, ReceiveCallback, quote_path
from tasuki.hpc.transports.tar_stream import TarFile, iter_tar_pieces

__all__ = ["RemoteProcess", "ShellTransport"]

MAX_SESSIONS = 4
"""Sessions at once: sshd allows 10 a connection, and whoever opens more is connected anew, which means to log in."""
PIECE_BYTES = 1 << 16
TAIL_BYTES = 1 << 14
"""An end mark, and what a shell may print when it leaves, are shorter."""


class RemoteProcess(Protocol):
    """A command that runs at the other end."""

    async def write(self, data: bytes) -> None:
        """Write input. Raise BrokenPipeError or ConnectionError if the process reads no more."""
        ...

    async def close_input(self) -> None:
        """Close the input."""
        ...

    async def read(self) -> bytes:
        """Read output; empty at the end."""
        ...

    async def wait(self) -> tuple[int, str]:
        """Wait for the end; return exit code and stderr."""
        ...

    async def kill(self) -> None:
        """Kill the process if it runs."""
        ...


class ShellTransport(ABC):
    """Base of transports: a subclass starts commands and explains failures."""

    host: str

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(MAX_SESSIONS)
        self.command_count = 0
        """How many commands were started so far."""

    @abstractmethod
    async def open(self) -> None:
        """Ensure a live login."""

    @abstractmethod
    async def start(self, command: str) -> RemoteProcess:
        """Start a command of the login shell."""

    @abstractmethod
    def build_start_error(self, code: int, errors: str) -> TasukiError:
        """Return the error of a command that could not start."""

    async def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Do nothing: no connection is held between commands."""

    @asynccontextmanager
    async def run_process(self, command: str, timeout: float) -> AsyncIterator[RemoteProcess]:
        """Run a command for the block, in one of the slots; kill it at the end of the block."""
        async with self.slots:
            try:
                async with asyncio.timeout(timeout):
                    process = await self.start(command)
                    self.command_count += 1
                    try:
                        yield process
                    finally:
                        await process.kill()
            except TimeoutError as error:
                raise RemoteUnavailable(f"{self.host} did not answer within {timeout:g} s") from error

    async def exec(self, script: str, *, timeout: float = TIMEOUT_SECONDS) -> CommandResult:
        """Run a POSIX sh script to its end, with empty stdin. A non-zero exit code is not an error here."""
        frame = OutputMarkers()
        async with self.run_process("sh -s", timeout) as process:
            await feed_input(process, [frame.wrap_script(script).encode()])
            printed = b"".join([piece async for piece in iter_output(process)])
            code, errors = await process.wait()
        found = frame.parse(printed)
        if found is None:
            raise self.build_cut_error(frame, printed, code, errors)
        return CommandResult(found.code, found.output, errors)

    async def put_tar(self, files: Iterable[TarFile], folder: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Write files below a folder as one stream; create the folder. After an interruption, one may be torn."""
        frame = OutputMarkers()
        where = quote_path(folder)
        command = frame.wrap_command(f"umask 077 && mkdir -p {where} && cd {where} && tar -xof -")
        async with self.run_process(command, timeout) as process:
            await feed_input(process, iter_tar_pieces(files))
            printed = b"".join([piece async for piece in iter_output(process)])
            code, errors = await process.wait()
        found = frame.parse(printed)
        if found is None:
            raise self.build_cut_error(frame, printed, code, errors)
        if found.code:
            raise RemoteRejected(
                f"{self.host} can't store files in {folder}: {get_last_line(errors)}", hint="is there room, and may you?"
            )

    async def get_tar(self, script: str, receive: ReceiveCallback, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Run a script that writes a tar archive; pass its bytes on. A cut stream is just shorter."""
        frame = OutputMarkers()
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as stream:
            receiver = asyncio.create_task(asyncio.to_thread(run_receiver, stream, receive))
            try:
                async with self.run_process("sh -s", timeout) as process:
                    await feed_input(process, [frame.wrap_script(script).encode()])
                    printed = await copy_output(frame, process, writing)
                    code, errors = await process.wait()
            finally:
                os.close(writing)
                await receiver
        found = frame.parse(printed)
        if found is None:
            raise self.build_cut_error(frame, printed, code, errors)
        if found.code:
            raise RemoteRejected(f"{self.host} can't send files: {get_last_line(errors)}")

    def build_cut_error(self, markers: OutputMarkers, printed: bytes, code: int, errors: str) -> TasukiError:
        """Return why the end mark is missing: the command never began, or the connection ended."""
        if markers.begin_line in printed:
            return RemoteUnavailable(f"the connection to {self.host} was cut: {get_last_line(errors)}")
        return self.build_start_error(code, errors)


async def feed_input(process: RemoteProcess, data: Iterable[bytes]) -> None:
    """Write a process's input. One that reads no more explains itself on stderr."""
    with suppress(BrokenPipeError, ConnectionError):
        for piece in data:
            await process.write(piece)
        await process.close_input()


async def iter_output(process: RemoteProcess) -> AsyncIterator[bytes]:
    """Yield a process's output."""
    while piece := await process.read():
        yield piece


async def copy_output(markers: OutputMarkers, process: RemoteProcess, target: int) -> bytes:
    """Copy the output between the marks; return the rest: begin mark, and perhaps the end mark."""
    kept, begun = b"", False
    async for piece in iter_output(process):
        kept += piece
        if not begun and markers.begin_line in kept:
            begun, kept = True, kept.partition(markers.begin_line)[2]
        if begun and len(kept) > TAIL_BYTES:
            await asyncio.to_thread(write_all, target, kept[:-TAIL_BYTES])
            kept = kept[-TAIL_BYTES:]
    if not begun:
        return kept
    whole = markers.parse(markers.begin_line + kept)
    await asyncio.to_thread(write_all, target, kept if whole is None else whole.output)
    return markers.begin_line + kept


def write_all(target: int, data: bytes) -> None:
    """Write to a pipe whose reader may stop."""
    with suppress(BrokenPipeError):
        while data:
            data = data[os.write(target, data) :]


def run_receiver(stream, receive: ReceiveCallback) -> None:  # type: ignore[no-untyped-def] # a BinaryIO of a kind that no protocol names
    """Let `receive` read the stream, then read the rest so that the sender does not block.

    Close the stream if it fails.
    """
    try:
        receive(stream)
        while stream.read(PIECE_BYTES):
            pass
    finally:
        stream.close()


def get_last_line(errors: str) -> str:
    """Return the most telling line of stderr: tar reports its failure after all else."""
    lines = [line.strip() for line in errors.splitlines() if line.strip() and "Exiting with failure" not in line]
    return lines[-1] if lines else "no reason was given"
