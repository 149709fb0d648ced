"""What every request passes: whether it was meant for this server, and the headers that every answer carries."""

from collections.abc import Collection
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from tasuki.server.problems import Refusal, send_problem

__all__ = ["LOOPBACK", "PROTOCOL", "Door"]

PROTOCOL = 1
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
SAFE = {"GET", "HEAD", "OPTIONS"}


class Door:
    """Stands before the application. Names other than the server's own are a trick (DNS rebinding), as are foreign origins."""

    def __init__(self, app: ASGIApp, names: Collection[str] = LOOPBACK) -> None:
        self.app = app
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

        refusal = self.refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send_with_headers)
        else:
            await send_problem(send_with_headers, refusal)

    def refusal(self, scope: HTTPScope) -> Refusal | None:
        """Why the request is not let in; None if it is."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if name_in(host) not in self.names:
            return Refusal(421, f"this server is not {host!r}", hint="open it as http://127.0.0.1 or http://localhost")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and scope["method"] not in SAFE and origin_host(origin) != host:
            return Refusal(403, f"{origin!r} may not send to this server", error="bad-origin")
        return None


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
