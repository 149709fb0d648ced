"""`tasuki remote test URL`: find what answers at a URL, and explain why records cannot be sent there."""

import socket
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import httpx
import msgspec

from tasuki import __version__
from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.relay.http_transport import PROTOCOL, parse_remote_url

__all__ = ["ProbeResult", "ProbeVerdict", "probe_remote"]

TIMEOUT_SECONDS = 5.0
MAX_SHOWN_CHARACTERS = 80


class ProbeVerdict(StrEnum):
    """Result of a probe."""

    OK = "ok"
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    SLOW = "slow"
    TLS = "tls"
    BROKEN = "broken"
    REDIRECTED = "redirected"
    UNAUTHORIZED = "unauthorized"
    INSUFFICIENT = "insufficient"
    IN_TROUBLE = "in-trouble"
    NOT_TASUKI = "not-tasuki"
    OTHER_PROTOCOL = "other-protocol"


class ProbeResult(NamedTuple):
    """Result of a probe, explained, with a hint. `seconds` is the time of one request."""

    verdict: ProbeVerdict
    said: str
    hint: str | None = None
    version: str | None = None
    seconds: float | None = None


class TokenInfo(msgspec.Struct, frozen=True):
    """A tasuki server's description of a token."""

    name: str
    scope: str
    project: str | None


class ServerInfo(msgspec.Struct, frozen=True):
    """A tasuki server's description of itself."""

    version: str
    protocols: list[int]
    server_id: str
    boot_id: str


def probe_remote(
    url: str,
    *,
    token: str | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    verify: ssl.SSLContext | bool = True,
    clock: Clock = SYSTEM_CLOCK,
) -> ProbeResult:
    """Probe a URL with two requests, and explain the result. Raise ConfigError for an invalid URL."""
    base = parse_remote_url(url).geturl().rstrip("/")
    headers = {"User-Agent": f"tasuki/{__version__}"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        with httpx.Client(timeout=timeout_seconds, headers=headers, verify=verify) as client:
            answer = client.get(f"{base}/api/v1/meta")
            began = clock.monotonic()
            answer = client.get(f"{base}/api/v1/meta")
            found = classify_response(base, answer, clock.monotonic() - began, has_token=bool(token))
            return found if found.verdict is not ProbeVerdict.OK else add_token_info(found, client.get(f"{base}/api/v1/session"))
    except httpx.TransportError as error:
        return classify_connection_error(base, error, timeout_seconds)


def classify_connection_error(url: str, error: httpx.TransportError, timeout_seconds: float) -> ProbeResult:
    """Explain why no response came."""
    host, port = httpx.URL(url).host, httpx.URL(url).port
    causes = list(iter_causes(error))
    if isinstance(error, httpx.TimeoutException):
        what = "let itself be connected to" if isinstance(error, httpx.ConnectTimeout) else "answer"
        return ProbeResult(
            ProbeVerdict.SLOW, f"{url} did not {what} within {timeout_seconds:g} s", "is a firewall or a VPN in between?"
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return ProbeResult(ProbeVerdict.UNRESOLVED, f"there is no host {host!r}: {error}", "check the spelling, and the network")
    if tls := next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None):
        return ProbeResult(
            ProbeVerdict.TLS, f"{url} does not prove who it is, or speaks no TLS: {describe_tls_error(tls)}", choose_tls_hint(tls)
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes) or "refused" in str(error):
        return ProbeResult(ProbeVerdict.REFUSED, f"nothing listens at {url}", f"start it: tasuki serve --port {port or 80}")
    return ProbeResult(
        ProbeVerdict.BROKEN, f"{url} broke off: {str(error) or type(error).__name__}", "is that a web server at all?"
    )


def iter_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def describe_tls_error(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason without its numbers."""
    return str(getattr(error, "verify_message", "") or error.reason or error)


def choose_tls_hint(error: ssl.SSLError) -> str:
    """Return the hint for a TLS error."""
    if error.reason in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it may speak plain http:// there"
    return "renew or replace its certificate, or use the name that is in it"


def add_token_info(result: ProbeResult, response: httpx.Response) -> ProbeResult:
    """Describe a tasuki server, and the scope of the token. Servers before 0.2 have no tokens."""
    try:
        holder = msgspec.json.decode(response.content, type=TokenInfo)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return result
    if not holder.name:
        return result
    its = "all projects" if holder.project is None else f"project {holder.project!r}"
    result = result._replace(said=f"{result.said}; the token is for {holder.scope} on {its}")
    if holder.scope == "read":
        return result._replace(verdict=ProbeVerdict.INSUFFICIENT, hint="on the server: tasuki token create --log PROJECT")
    return result


def classify_response(url: str, response: httpx.Response, seconds: float, *, has_token: bool = False) -> ProbeResult:
    """Classify a response."""
    status = response.status_code
    if response.is_redirect:
        return ProbeResult(ProbeVerdict.REDIRECTED, f"{url} redirects to {response.headers.get('Location')}", "use that address")
    if status in (401, 403):
        what = "the token is mistyped, revoked or has expired" if has_token else "it needs a token, and there is none"
        hint = "on the server: tasuki token create; here: TASUKI_TOKEN, or tasuki remote add NAME URL --token -"
        return ProbeResult(ProbeVerdict.UNAUTHORIZED, f"{url} answered {status}: {what}", hint)
    if status >= 500 or status == 429:
        return ProbeResult(
            ProbeVerdict.IN_TROUBLE, f"{url} answered {status} {response.reason_phrase}", "it, or a proxy before it, is in trouble"
        )
    try:
        found = msgspec.json.decode(response.content, type=ServerInfo)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ProbeResult(
            ProbeVerdict.NOT_TASUKI,
            f"{url} is not a tasuki server: {summarize_response(response)}",
            "is it the right port, and path?",
        )
    if int(PROTOCOL) not in found.protocols:
        spoken = ", ".join(map(str, found.protocols))
        newer = max(found.protocols, default=0) > int(PROTOCOL)
        return ProbeResult(
            ProbeVerdict.OTHER_PROTOCOL,
            f"{url} is tasuki {found.version} and speaks protocol {spoken}; this is tasuki {__version__} with protocol {PROTOCOL}",
            "pip install -U tasuki, here" if newer else "pip install -U tasuki, on the server",
            version=found.version,
        )
    return ProbeResult(
        ProbeVerdict.OK, f"{url} is tasuki {found.version}, {seconds * 1000:.1f} ms away", version=found.version, seconds=seconds
    )


def summarize_response(response: httpx.Response) -> str:
    """Describe a response in a few words."""
    kind = response.headers.get("Content-Type", "no type").split(";")[0]
    text = " ".join(response.text[: 10 * MAX_SHOWN_CHARACTERS].split())
    shown = text[:MAX_SHOWN_CHARACTERS] + ("…" if len(text) > MAX_SHOWN_CHARACTERS else "")
    return f"it answered {response.status_code} with {kind}: {shown}"
