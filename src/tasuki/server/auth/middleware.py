"""What every request passes: whether it was meant for this server, whose it is, and the headers that every answer carries."""

from collections.abc import Collection
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from tasuki.server.auth.guards import TokenAuthenticator, header
from tasuki.server.http.problems import HttpProblem, send_problem

__all__ = ["LOOPBACK", "PROTOCOL", "SPOKEN", "RequestMiddleware"]

PROTOCOL = 1
SPOKEN = (PROTOCOL,)
"""The versions of the protocol that are understood: this one and, from the second on, the one before."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = [
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
SIGNED = "/api/webhooks/"
"""Under whatever name they come: what is sent there is signed."""
SAFE = {"GET", "HEAD", "OPTIONS"}


class RequestMiddleware:
    """Stands before the application. Foreign origins are a trick, as are names other than the server's own (DNS rebinding).

    A server that needs tokens may have any name: a browser sends a token only where it was entered.
    """

    def __init__(self, app: ASGIApp, gate: TokenAuthenticator, names: Collection[str] = LOOPBACK) -> None:
        self.app = app
        self.gate = gate
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            self.check(scope)
            scope["auth"] = self.gate.principal(scope)
        except HttpProblem as refusal:
            await send_problem(send_with_headers, refusal)
            return
        await self.app(scope, receive, send_with_headers)

    def check(self, scope: HTTPScope) -> None:
        """Refusal for a request that was not meant for this server, or that it does not understand."""
        host, origin = header(scope, b"host"), header(scope, b"origin")
        if name_in(host) not in self.names and self.gate.is_open and not scope["path"].startswith(SIGNED):
            raise HttpProblem(421, f"this server is not {host!r}", hint="open it as http://127.0.0.1 or http://localhost")
        if scope["method"] not in SAFE:
            if origin and origin_host(origin) != host:
                raise HttpProblem(403, f"{origin!r} may not send to this server", error="bad-origin")
            if not origin and header(scope, b"cookie") and not header(scope, b"authorization") and not self.gate.is_open:
                raise HttpProblem(403, "a cookie alone may not change anything: a page says its origin too", error="bad-origin")
        spoken = header(scope, b"tasuki-protocol")
        if spoken and spoken not in map(str, SPOKEN):
            raise HttpProblem(
                426,
                f"this server speaks protocol {', '.join(map(str, SPOKEN))}, not {spoken[:20]!r}",
                hint="pip install -U tasuki, " + ("here" if is_older(spoken) else "on the server"),
            )


def is_older(spoken: str) -> bool:
    """Whether a protocol's version is below those that are understood."""
    return spoken.isascii() and spoken.isdigit() and len(spoken) < 9 and int(spoken) < min(SPOKEN)


def name_in(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def origin_host(origin: str) -> str:
    """What a page of that origin would send as Host."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
