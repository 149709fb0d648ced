"""Where alerts are delivered to: which address, of which project, from which level on. Its name shows nothing secret."""

import hashlib
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tasuki.errors import ConfigError

__all__ = ["LEVELS", "AlertTarget", "targets_from"]

LEVELS = ("info", "warn", "error")
WEBHOOKS = ("http", "https")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
SHORTEST_SECRET = 4
HINT = "notify: [{url: 'https://hooks.example/x', project: digits, level: warn}]"


class AlertTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address: a webhook (http, https), or any that apprise knows. Without a project it hears of all."""

    url: str
    project: str | None = None
    level: str = "warn"

    @property
    def scheme(self) -> str:
        """What the address begins with."""
        return self.url.partition("://")[0].lower()

    @property
    def is_webhook(self) -> bool:
        """Whether our own JSON is posted there."""
        return self.scheme in WEBHOOKS

    @property
    def key(self) -> str:
        """A name for files: equal only for the same address and project."""
        return hashlib.sha256(f"{self.url}\n{self.project or ''}".encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """How it is shown: of a webhook the host, of other addresses only the service, as the rest is often a key."""
        host = urlsplit(self.url).hostname if self.is_webhook else None
        return f"{self.scheme}://{host or ''}/… ({self.key[:6]})"

    def wants(self, project: str, level: str) -> bool:
        """Whether an alert is for it."""
        return self.project in (None, project) and LEVELS.index(level) >= LEVELS.index(self.level)

    def without_secrets(self, text: str) -> str:
        """A text, e.g. an error's, without anything of the address but a webhook's host."""
        shown = {self.scheme, urlsplit(self.url).hostname or "" if self.is_webhook else ""}
        parts = {part for part in re.split(r"[/:@?&=#,]+", self.url) if len(part) >= SHORTEST_SECRET} - shown
        for part in sorted(parts, key=len, reverse=True):
            text = text.replace(part, "***")
        return text


def targets_from(value: Any, origin: str) -> tuple[AlertTarget, ...]:
    """A list of addresses, or of mappings with `url`, `project` and `level`; or text with addresses. ConfigError, without them."""
    if value is None:
        return ()
    given = value.split() if isinstance(value, str) else value if isinstance(value, list) else [value]
    return tuple(target_from(one, place, origin) for place, one in enumerate(given, 1))


def target_from(given: Any, place: int, origin: str) -> AlertTarget:
    """One of them. ConfigError, which does not show the address."""
    try:
        target = msgspec.convert({"url": given} if isinstance(given, str) else given, AlertTarget)
        parts = urlsplit(target.url)
    except ValueError as error:  # msgspec's own is one
        wrong = error if isinstance(error, msgspec.ValidationError) else "no address"
        raise ConfigError(f"address {place} of notify in {origin}: {wrong}", hint=HINT) from None
    if not parts.netloc or not SCHEME.fullmatch(parts.scheme) or (target.is_webhook and not parts.hostname):
        raise ConfigError(f"address {place} of notify in {origin} is none", hint=HINT)
    if target.level not in LEVELS:
        raise ConfigError(
            f"address {place} of notify in {origin} has no level {target.level!r}", hint=f"one of {', '.join(LEVELS)}"
        )
    return target
