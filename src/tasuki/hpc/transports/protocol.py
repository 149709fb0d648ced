"""Interface of transports to a login node, and its results."""

import re
import shlex
from collections.abc import Callable, Iterable
from typing import BinaryIO, NamedTuple, Protocol

from tasuki.hpc.transports.tar_stream import TarFile

__all__ = ["CommandResult", "HostTransport", "ProgressCallback", "ReceiveCallback", "ignore_progress", "quote_path"]

TIMEOUT_SECONDS = 60.0
HOME_PATTERN = re.compile(r"(\$HOME|\$\{HOME\}|~)(?=/|$)")
ReceiveCallback = Callable[[BinaryIO], None]
"""What reads a stream of files to its end, in a thread of its own."""
ProgressCallback = Callable[[str, int, int], object]
"""What hears how far it is: with `upload` or `fetch`, of how many bytes."""


class CommandResult(NamedTuple):
    """Exit code and output of a script, without what the login printed."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """Return the output as text."""
        return self.output.decode(errors="replace")


class HostTransport(Protocol):
    """A login at a host. Never authenticates; raises RemoteUnavailable without a live login.

    At most four of them are under way at once; more wait.
    """

    async def open(self) -> None:
        """Ensure a live login."""
        ...

    async def exec(self, script: str, *, timeout: float = TIMEOUT_SECONDS) -> CommandResult:
        """Run a POSIX sh script to its end, with empty stdin. A non-zero exit code is not an error here."""
        ...

    async def put_tar(self, files: Iterable[TarFile], folder: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Write files below a folder as one stream; create the folder. After an interruption, one may be torn."""
        ...

    async def get_tar(self, script: str, receive: ReceiveCallback, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Run a script that writes a tar archive; pass its bytes on. A cut stream is just shorter."""
        ...

    async def close(self) -> None:
        """Release this object's connection. A shared login stays."""
        ...


def ignore_progress(phase: str, done: int, total: int) -> None:
    """Ignore progress."""


def quote_path(path: str) -> str:
    """Quote a path for sh, except for a leading home folder."""
    if found := HOME_PATTERN.match(path):
        rest = path[found.end() :].lstrip("/")
        return '"$HOME"' + (f"/{shlex.quote(rest)}" if rest else "")
    return shlex.quote(path)
