"""HTTP responses as a sender reads them: errors, and a deadline for the whole response."""

import io
import socket
from http.client import HTTPResponse
from typing import Any, NamedTuple

import msgspec

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import RemoteError, RemoteMisconfigured, RemoteUnavailable, RequestRejected, RequestTooLarge
from tasuki.retry_after import parse_retry_after

__all__ = [
    "RESPONSE_TIMEOUT_SECONDS",
    "RETRY_STATUSES",
    "DeadlineResponse",
    "HttpResponse",
    "ProblemDocument",
    "build_remote_error",
    "set_timeout",
]

RESPONSE_TIMEOUT_SECONDS = 30.0
MAX_SHOWN_BYTES = 200
RETRY_STATUSES = {408, 425, 429}
REJECTED_STATUSES = {400, 409, 422}
TOO_LARGE_STATUS = 413


class HttpResponse(NamedTuple):
    """Status, body, and the headers that a sender reads."""

    status: int
    content: bytes
    retry_after: str | None = None
    location: str | None = None


def build_remote_error(url: str, response: HttpResponse, now_us: int) -> RemoteError:
    """Return the error that a response other than 2xx stands for."""
    problem = parse_problem(response.content)
    shown = problem.detail or (response.location and f"go to {response.location}")
    text = f"{url} answered {response.status}: {shown or response.content[:MAX_SHOWN_BYTES].decode(errors='replace')}"
    if response.status in RETRY_STATUSES or response.status >= 500:
        return RemoteUnavailable(text, retry_after_seconds=parse_retry_after(response.retry_after, now_us))
    if response.status == TOO_LARGE_STATUS:
        return RequestTooLarge(text)
    if response.status in REJECTED_STATUSES:
        return RequestRejected(text)
    return RemoteMisconfigured(text, hint=problem.hint or f"what is wrong: tasuki remote test {url}")


class ProblemDocument(msgspec.Struct, frozen=True):
    """Problem document of a tasuki server: detail and hint."""

    detail: str = ""
    hint: str | None = None


def parse_problem(content: bytes) -> ProblemDocument:
    """Decode the problem document of a response; an empty one if the body holds none."""
    try:
        return msgspec.json.decode(content, type=ProblemDocument)
    except msgspec.DecodeError:
        return ProblemDocument()


def set_timeout(sock: socket.socket, seconds: float) -> None:
    """Set a socket's timeout, unless it is within a second of `seconds`.

    Each change is a system call, which releases the interpreter lock in the training thread.
    """
    waits = sock.gettimeout()
    if waits is None or abs(waits - seconds) > 1:
        sock.settimeout(seconds)


class DeadlineResponse(HTTPResponse):
    """A response that must be complete within `RESPONSE_TIMEOUT_SECONDS`, however slowly its bytes arrive."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(DeadlineSocket(sock, self.fp))


class DeadlineSocket(io.RawIOBase):
    """A socket that is read until a deadline. `file` keeps the socket open meanwhile."""

    def __init__(self, sock: socket.socket, file: io.BufferedReader) -> None:
        self.sock = sock
        self.file = file
        self.deadline = SYSTEM_CLOCK.monotonic() + RESPONSE_TIMEOUT_SECONDS

    def readable(self) -> bool:
        """Return whether the stream can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the available bytes into `buffer`. Raise TimeoutError after the deadline."""
        left = self.deadline - SYSTEM_CLOCK.monotonic()
        if left <= 0:
            raise TimeoutError("the answer drips")
        set_timeout(self.sock, left)
        return self.sock.recv_into(buffer)

    def close(self) -> None:
        """Release the socket."""
        self.file.close()
        super().close()
