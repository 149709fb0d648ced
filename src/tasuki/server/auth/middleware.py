"""ASGI middleware: check Host, Origin and protocol version, authenticate, add common response headers."""

from collections.abc import Collection
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from tasuki.server.auth.guards import TokenAuthenticator, get_header
from tasuki.server.http.problems import HttpProblem, send_problem

__all__ = ["LOOPBACK_NAMES", "PROTOCOL", "SUPPORTED_PROTOCOLS", "RequestMiddleware"]

PROTOCOL = 1
SUPPORTED_PROTOCOLS = (PROTOCOL,)
"""The versions of the protocol that are understood: this one and, from the second on, the one before."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
RESPONSE_HEADERS = [
    (b"tasuki-protocol", str(PROTOCOL).encode()),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
WEBHOOK_PREFIX = "/api/webhooks/"
"""Under whatever name they come: what is sent there is signed."""
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class RequestMiddleware:
    """Middleware around the application that refuses cross-site requests and DNS rebinding.

    A server that requires tokens accepts any host name: a browser sends a token only to the site where it was entered.
    """

    def __init__(self, app: ASGIApp, authenticator: TokenAuthenticator, host_names: Collection[str] = LOOPBACK_NAMES) -> None:
        self.app = app
        self.gate = authenticator
        self.host_names = host_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and authenticate one HTTP request, then pass it to the application."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *RESPONSE_HEADERS]
            await send(message)

        try:
            self.check_request(scope)
            scope["auth"] = self.gate.authenticate(scope)
        except HttpProblem as refusal:
            await send_problem(send_with_headers, refusal)
            return
        await self.app(scope, receive, send_with_headers)

    def check_request(self, scope: HTTPScope) -> None:
        """Raise 421 for a foreign Host, 403 for a foreign Origin, 426 for an unsupported protocol version."""
        host, origin = get_header(scope, b"host"), get_header(scope, b"origin")
        if (
            parse_host_name(host) not in self.host_names
            and self.gate.allows_anonymous
            and not scope["path"].startswith(WEBHOOK_PREFIX)
        ):
            raise HttpProblem(421, f"this server is not {host!r}", hint="open it as http://127.0.0.1 or http://localhost")
        if scope["method"] not in SAFE_METHODS:
            if origin and parse_origin_host(origin) != host:
                raise HttpProblem(403, f"{origin!r} may not send to this server", error="bad-origin")
            if (
                not origin
                and get_header(scope, b"cookie")
                and not get_header(scope, b"authorization")
                and not self.gate.allows_anonymous
            ):
                raise HttpProblem(403, "a cookie alone may not change anything: a page says its origin too", error="bad-origin")
        spoken = get_header(scope, b"tasuki-protocol")
        if spoken and spoken not in map(str, SUPPORTED_PROTOCOLS):
            raise HttpProblem(
                426,
                f"this server speaks protocol {', '.join(map(str, SUPPORTED_PROTOCOLS))}, not {spoken[:20]!r}",
                hint="pip install -U tasuki, " + ("here" if is_older(spoken) else "on the server"),
            )


def is_older(version: str) -> bool:
    """Return whether a protocol version is lower than every supported version."""
    return version.isascii() and version.isdigit() and len(version) < 9 and int(version) < min(SUPPORTED_PROTOCOLS)


def parse_host_name(host: str) -> str:
    """Return the host name of a Host header, without the port; "" if it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def parse_origin_host(origin: str) -> str:
    """Return the `host[:port]` of an origin, as a page of that origin would send it in Host."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
