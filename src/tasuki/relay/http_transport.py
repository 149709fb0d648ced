"""HTTP transport to a server, with the standard library only: it runs inside training processes."""

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

import msgspec

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import ConfigError, RemoteUnavailable
from tasuki.failpoints import hit_failpoint
from tasuki.records import Item, ReplicateRequest, ReplicateResponse
from tasuki.relay.http_responses import DeadlineResponse, HttpResponse, build_remote_error, set_timeout
from tasuki.remotes import TokenSource

__all__ = ["PROTOCOL", "HttpTransport", "Token", "build_authorization", "parse_remote_url"]

PROTOCOL = "1"
MESSAGEPACK = "application/msgpack"
REQUEST_TIMEOUT_SECONDS = 30.0
Token = str | TokenSource | None
"""A token, or what says which one it is now."""
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(ReplicateResponse).decode


def parse_remote_url(remote: str) -> SplitResult:
    """Parse and check a server's address. Raise ConfigError if it is invalid."""
    wrong = ConfigError(f"{remote!r} is not the address of a server", hint="like http://127.0.0.1:7700 or https://tasuki.example")
    try:
        url = urlsplit(remote)
        host, port = (url.hostname or "").encode("idna"), url.port
    except ValueError as error:
        raise wrong from error
    if url.scheme not in {"http", "https"} or not host or port == 0:
        raise wrong
    return url


def build_authorization(token: Token) -> dict[str, str]:
    """Return the header that carries a token, or no header without one.

    Raise ConfigError for a token that cannot be sent; the message does not show it.
    """
    shown = token() if callable(token) else token
    if shown and not (shown.isascii() and shown.isprintable()):
        raise ConfigError("the token has characters that no token has", hint="is it TASUKI_TOKEN, or the file credentials?")
    return {"Authorization": f"Bearer {shown}"} if shown else {}


def format_headers(headers: Mapping[str, str]) -> str:
    """Format headers as a request has them."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


class HttpTransport:
    """One connection, kept open between requests. Not thread-safe."""

    def __init__(
        self, remote: str, *, token: Token = None, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.url = parse_remote_url(remote)
        self.token = token
        self.clock = clock
        headers = {"Host": self.url.netloc.rpartition("@")[2], "Content-Type": MESSAGEPACK, "Accept": MESSAGEPACK}
        headers["Tasuki-Protocol"] = PROTOCOL
        self.request_head = f"POST {self.url.path.rstrip('/')}/api/v1/replicate HTTP/1.1\r\n{format_headers(headers)}"
        self.timeout_seconds = timeout_seconds
        self.tls = ssl.create_default_context() if self.url.scheme == "https" else None
        self.connection: http.client.HTTPConnection | None = None

    def replicate(self, items: Sequence[Item]) -> ReplicateResponse:
        """Send one request. Raise RemoteUnavailable if a retry may succeed, RemoteRejected if not."""
        try:
            answer = self.post(encode(ReplicateRequest(items=list(items))))
        except (OSError, http.client.HTTPException) as error:
            raise RemoteUnavailable(f"{self.display_url} can't be reached: {describe_error(error)}") from error
        hit_failpoint("relay.after_reply")
        return self.decode_response(answer, {item.writer for item in items})

    def post(self, body: bytes) -> HttpResponse:
        """Send a body and read the response. Reconnect if the server closed the connection meanwhile."""
        reused = self.connection is not None
        try:
            self.send_request(body)
            hit_failpoint("relay.after_send")
            return self.read_response()
        except ConnectionError:  # which a server that hangs up without an answer is, too
            self.close()
            if not reused:
                raise
        except BaseException:
            self.close()
            raise
        return self.post(body)

    def send_request(self, body: bytes) -> None:
        """Send a request in one write.

        Http.client sends head and body apart, which costs a training thread a pause.
        """
        connection = self.open_connection()
        set_timeout(connection.sock, self.timeout_seconds)
        head = f"{self.request_head}{format_headers(build_authorization(self.token))}Content-Length: {len(body)}\r\n\r\n"
        connection.sock.sendall(head.encode("latin-1") + body)

    def read_response(self) -> HttpResponse:
        """Read the response to the request that was sent."""
        with closing(DeadlineResponse(self.open_connection().sock, method="POST")) as response:  # it holds the socket, too
            response.begin()
            content = response.read(MAX_RESPONSE_BYTES)
            if response.length:
                raise http.client.IncompleteRead(content, response.length)
        if response.will_close:
            self.close()
        return HttpResponse(response.status, content, response.getheader("Retry-After"), response.getheader("Location"))

    @property
    def display_url(self) -> str:
        """Return the address without its password."""
        return self.url._replace(netloc=self.url.netloc.rpartition("@")[2]).geturl()

    def decode_response(self, response: HttpResponse, writers: set[str]) -> ReplicateResponse:
        """Decode the server's replies, if a tasuki server answered and every item has a reply."""
        if not 200 <= response.status < 300:
            raise build_remote_error(self.display_url, response, self.clock.now_us())
        try:
            said = decode(response.content)
        except msgspec.DecodeError as error:
            raise RemoteUnavailable(f"{self.display_url} answered something else than tasuki does: {error}") from error
        if missing := writers - {reply.writer for reply in said.items}:
            raise RemoteUnavailable(f"{self.display_url} did not name {len(missing)} of the items it was sent")
        return said

    def open_connection(self) -> http.client.HTTPConnection:
        """Return the connection, opened if necessary."""
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


def describe_error(error: Exception) -> str:
    """Return an error's text, or its class name if it has none."""
    return str(error) or type(error).__name__
