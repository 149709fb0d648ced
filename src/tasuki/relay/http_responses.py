"""HTTP responses as a sender reads them: errors, and a deadline for the whole response."""

import io
import socket
from http.client import HTTPResponse
from typing import Any, NamedTuple

import msgspec

from tasuki.clock import SYSTEM
from tasuki.errors import RemoteError, RemoteMisconfigured, RemoteUnavailable, RequestRejected, RequestTooLarge
from tasuki.retry_after import parse_retry_after

__all__ = [
    "ANSWER_SECONDS",
    "WAIT",
    "DeadlineResponse",
    "HttpResponse",
    "ProblemDocument",
    "error_from_answer",
    "set_timeout",
]

ANSWER_SECONDS = 30.0
SHOWN_BYTES = 200
WAIT = {408, 425, 429}
REFUSED = {400, 409, 422}
TOO_LARGE = 413


class HttpResponse(NamedTuple):
    """Status, body, and the headers that a sender reads."""

    status: int
    content: bytes
    retry_after: str | None = None
    location: str | None = None


def error_from_answer(url: str, answer: HttpResponse, now_us: int) -> RemoteError:
    """Return the error that a response other than 2xx stands for."""
    problem = problem_in(answer.content)
    shown = problem.detail or (answer.location and f"go to {answer.location}")
    text = f"{url} answered {answer.status}: {shown or answer.content[:SHOWN_BYTES].decode(errors='replace')}"
    if answer.status in WAIT or answer.status >= 500:
        return RemoteUnavailable(text, after_seconds=parse_retry_after(answer.retry_after, now_us))
    if answer.status == TOO_LARGE:
        return RequestTooLarge(text)
    if answer.status in REFUSED:
        return RequestRejected(text)
    return RemoteMisconfigured(text, hint=problem.hint or f"what is wrong: tasuki remote test {url}")


class ProblemDocument(msgspec.Struct, frozen=True):
    """Problem document of a tasuki server: detail and hint."""

    detail: str = ""
    hint: str | None = None


def problem_in(content: bytes) -> ProblemDocument:
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
    """A response that must be complete within `ANSWER_SECONDS`, however slowly its bytes arrive."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(DeadlineSocket(sock, self.fp))


class DeadlineSocket(io.RawIOBase):
    """A socket that is read until a deadline. `file` keeps the socket open meanwhile."""

    def __init__(self, sock: socket.socket, file: io.BufferedReader) -> None:
        self.sock = sock
        self.file = file
        self.deadline = SYSTEM.monotonic() + ANSWER_SECONDS

    def readable(self) -> bool:
        """Return whether the stream can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the available bytes into `buffer`. Raise TimeoutError after the deadline."""
        left = self.deadline - SYSTEM.monotonic()
        if left <= 0:
            raise TimeoutError("the answer drips")
        set_timeout(self.sock, left)
        return self.sock.recv_into(buffer)

    def close(self) -> None:
        """Release the socket."""
        self.file.close()
        super().close()
