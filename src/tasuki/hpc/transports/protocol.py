"""The way to a login node: what a backend must do, and what the other side says."""

import re
import shlex
from collections.abc import Callable, Iterable
from typing import BinaryIO, NamedTuple, Protocol

from tasuki.hpc.transports.tar_stream import TarFile

__all__ = ["CommandResult", "HostTransport", "Receive", "Told", "in_shell", "quiet"]

TIMEOUT_SECONDS = 60.0
AT_HOME = re.compile(r"(\$HOME|\$\{HOME\}|~)(?=/|$)")
Receive = Callable[[BinaryIO], None]
"""What reads a stream of files to its end, in a thread of its own."""
Told = Callable[[str, int, int], object]
"""What hears how far it is: with `upload` or `fetch`, of how many bytes."""


class CommandResult(NamedTuple):
    """How a script ended, without what the login itself printed."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """Its output, as far as it is text."""
        return self.output.decode(errors="replace")


class HostTransport(Protocol):
    """Somebody's login at a host. None of these ever authenticates; without a live login all of them raise RemoteUnavailable.

    At most four of them are under way at once; more wait.
    """

    async def open(self) -> None:
        """Make sure that there is a live login."""
        ...

    async def exec(self, script: str, *, timeout: float = TIMEOUT_SECONDS) -> CommandResult:
        """Run a script of POSIX sh to its end. It finds nothing on its standard input. Its exit code is no error here."""
        ...

    async def put_tar(self, files: Iterable[TarFile], folder: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Write files below a folder, which is made, as one stream. When interrupted some are there, and one may be torn."""
        ...

    async def get_tar(self, script: str, receive: Receive, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Run a script that writes a tar archive, and hand its bytes over as they come. A cut stream is just shorter there."""
        ...

    async def close(self) -> None:
        """Let go of what this object holds. A login that others share stays."""
        ...


def quiet(what: str, done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


def in_shell(path: str) -> str:
    """A path as a word of sh: quoted, but for a home folder that it begins with."""
    if found := AT_HOME.match(path):
        rest = path[found.end() :].lstrip("/")
        return '"$HOME"' + (f"/{shlex.quote(rest)}" if rest else "")
    return shlex.quote(path)
