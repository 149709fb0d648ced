"""Provider configuration set over HTTP: `providers.json` (0600) in the data folder.

Overrides the settings file.
"""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError

__all__ = ["ProviderConfigFile"]

FILE_NAME = "providers.json"
SECRET_KEYS = {"token"}
SETTABLE_KEYS = {"replicate": {"token": str, "webhook_url": str, "version": str, "hardware": str}, "local": {}}


class ProviderConfigFile:
    """The configuration file of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def get(self, provider: str) -> dict[str, Any]:
        """Return a provider's configuration.

        Raise ConfigError if the file is readable by others, or unreadable.
        """
        return self.read().get(provider, {})

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the configuration of every provider."""
        try:
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise ConfigError(f"{self.path} holds keys and is open to others", hint=f"chmod 600 {self.path}")
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, dict[str, Any]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"{self.path} can't be read: {error}") from error

    def set(self, provider: str, changes: Mapping[str, Any]) -> None:
        """Change values; null resets one. Raise ConfigError for an invalid value."""
        known = SETTABLE_KEYS.get(provider, {})
        for key, value in changes.items():
            if key not in known or not (value is None or isinstance(value, known[key])):
                raise ConfigError(f"{provider}.{key} can't be set to that here", hint=f"there are {', '.join(known) or 'none'}")
            if key == "webhook_url" and value and not is_http_url(value):
                raise ConfigError(
                    f"{value!r} is no address that news can be sent to", hint="like https://tasuki.example/api/webhooks/replicate"
                )
        found = self.read()
        merged = found.get(provider, {}) | dict(changes)
        found[provider] = {key: value for key, value in merged.items() if value is not None}
        replace_file(self.path, msgspec.json.encode(found), mode=0o600, durable=True)


def is_http_url(text: str) -> bool:
    """Return whether a text is an HTTP address."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname)


def redact_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a provider's settings without secrets; of those, only whether they are set."""
    found = {key: value for key, value in values.items() if key not in SECRET_KEYS}
    return found | {f"{key}_is_set": bool(values[key]) for key in values if key in SECRET_KEYS}
