"""Alert targets: address, project, and minimum level. The name shows no secret."""

import hashlib
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tasuki.errors import ConfigError

__all__ = ["LEVELS", "AlertTarget", "parse_targets"]

LEVELS = ("info", "warn", "error")
WEBHOOK_SCHEMES = ("http", "https")
SCHEME_PATTERN = re.compile(r"[a-z][a-z0-9+.-]*")
MIN_SECRET_CHARACTERS = 4
HINT = "notify: [{url: 'https://hooks.example/x', project: digits, level: warn}]"


class AlertTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address: a webhook (http, https), or any that apprise knows. Without a project it hears of all."""

    url: str
    project: str | None = None
    level: str = "warn"

    @property
    def scheme(self) -> str:
        """Return the address's scheme."""
        return self.url.partition("://")[0].lower()

    @property
    def is_webhook(self) -> bool:
        """Return whether alerts are posted there as JSON."""
        return self.scheme in WEBHOOK_SCHEMES

    @property
    def key(self) -> str:
        """A name for files: equal only for the same address and project."""
        return hashlib.sha256(f"{self.url}\n{self.project or ''}".encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Return the name to show: a webhook's host, else only the service; the rest is often a key."""
        host = urlsplit(self.url).hostname if self.is_webhook else None
        return f"{self.scheme}://{host or ''}/… ({self.key[:6]})"

    def matches(self, project: str, level: str) -> bool:
        """Return whether an alert is for this target."""
        return self.project in (None, project) and LEVELS.index(level) >= LEVELS.index(self.level)

    def redact(self, text: str) -> str:
        """A text, e.g. an error's, without anything of the address but a webhook's host."""
        shown = {self.scheme, urlsplit(self.url).hostname or "" if self.is_webhook else ""}
        parts = {part for part in re.split(r"[/:@?&=#,]+", self.url) if len(part) >= MIN_SECRET_CHARACTERS} - shown
        for part in sorted(parts, key=len, reverse=True):
            text = text.replace(part, "***")
        return text


def parse_targets(value: Any, origin: str) -> tuple[AlertTarget, ...]:
    """Parse addresses, or mappings with `url`, `project`, and `level`. ConfigErrors do not show addresses."""
    if value is None:
        return ()
    given = value.split() if isinstance(value, str) else value if isinstance(value, list) else [value]
    return tuple(parse_target(one, place, origin) for place, one in enumerate(given, 1))


def parse_target(value: Any, number: int, origin: str) -> AlertTarget:
    """One of them. ConfigError, which does not show the address."""
    try:
        target = msgspec.convert({"url": value} if isinstance(value, str) else value, AlertTarget)
        parts = urlsplit(target.url)
    except ValueError as error:  # msgspec's own is one
        wrong = error if isinstance(error, msgspec.ValidationError) else "no address"
        raise ConfigError(f"address {number} of notify in {origin}: {wrong}", hint=HINT) from None
    if not parts.netloc or not SCHEME_PATTERN.fullmatch(parts.scheme) or (target.is_webhook and not parts.hostname):
        raise ConfigError(f"address {number} of notify in {origin} is none", hint=HINT)
    if target.level not in LEVELS:
        raise ConfigError(
            f"address {number} of notify in {origin} has no level {target.level!r}", hint=f"one of {', '.join(LEVELS)}"
        )
    return target
