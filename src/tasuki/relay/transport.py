"""The way to a server over HTTP, with nothing but the standard library: it runs inside training processes."""

import http.client
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import msgspec

from tasuki.errors import ConfigError, RemoteRejected, RemoteUnavailable
from tasuki.records import Item, Replicate, Replicated

__all__ = ["HttpTransport", "remote_url"]

PROTOCOL = "1"
MESSAGEPACK = "application/msgpack"
REQUEST_SECONDS = 30.0
LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Replicated).decode


def remote_url(remote: str) -> SplitResult:
    """A server's address, checked. ConfigError for what can't be one."""
    wrong = ConfigError(f"{remote!r} is not the address of a server", hint="like http://127.0.0.1:7700 or https://tasuki.example")
    try:
        url = urlsplit(remote)
        host, port = (url.hostname or "").encode("idna"), url.port
    except ValueError as error:
        raise wrong from error
    if url.scheme not in {"http", "https"} or not host or port == 0:
        raise wrong
    return url


class HttpTransport:
    """One connection, kept open between requests. Not to be shared by threads."""

    def __init__(self, remote: str, *, token: str | None = None, timeout_seconds: float = REQUEST_SECONDS) -> None:
        self.url = remote_url(remote)
        self.headers = {"Content-Type": MESSAGEPACK, "Accept": MESSAGEPACK, "Tasuki-Protocol": PROTOCOL}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.timeout_seconds = timeout_seconds
        self.tls = ssl.create_default_context() if self.url.scheme == "https" else None
        self.connection: http.client.HTTPConnection | None = None

    def replicate(self, items: Sequence[Item]) -> Replicated:
        """One request. RemoteUnavailable if it may succeed later, RemoteRejected if not."""
        body = encode(Replicate(items=list(items)))
        try:
            status, content = self.post("/api/v1/replicate", body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise RemoteUnavailable(f"{self.url.geturl()} can't be reached: {said(error)}") from error
        return self.answer(status, content, {item.writer for item in items})

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a body and read the answer."""
        connection = self.connected()
        connection.request("POST", self.url.path.rstrip("/") + path, body, self.headers)
        response = connection.getresponse()
        content = response.read(LONGEST_ANSWER_BYTES)
        if response.will_close:
            self.close()
        return response.status, content

    def answer(self, status: int, content: bytes, writers: set[str]) -> Replicated:
        """What the server says, if it is a server of ours that says it and it names every item."""
        if not 200 <= status < 300:
            text = f"{self.url.geturl()} answered {status}: {content[:200].decode(errors='replace')}"
            raise RemoteUnavailable(text) if status in {408, 425, 429} or status >= 500 else RemoteRejected(text)
        try:
            answer = decode(content)
        except msgspec.DecodeError as error:
            raise RemoteUnavailable(f"{self.url.geturl()} answered something else than tasuki does: {error}") from error
        if missing := writers - {reply.writer for reply in answer.items}:
            raise RemoteUnavailable(f"{self.url.geturl()} did not name {len(missing)} of the items it was sent")
        return answer

    def connected(self) -> http.client.HTTPConnection:
        """The connection, made if there is none."""
        if self.connection is None:
            host, port = self.url.hostname or "", self.url.port
            if self.tls is not None:
                self.connection = http.client.HTTPSConnection(host, port, timeout=self.timeout_seconds, context=self.tls)
            else:
                self.connection = http.client.HTTPConnection(host, port, timeout=self.timeout_seconds)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.connection

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def said(error: Exception) -> str:
    """An error's text, or its name where it has none."""
    return str(error) or type(error).__name__
