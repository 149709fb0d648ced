"""What was set of providers over HTTP: `providers.json` in the data folder, its owner's alone; it goes before the settings file."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError

__all__ = ["ProviderConfigFile"]

FILE = "providers.json"
SECRET = {"token"}
SETTABLE = {"replicate": {"token": str, "webhook_url": str, "version": str, "hardware": str}, "local": {}}


class ProviderConfigFile:
    """One data folder's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def of(self, provider: str) -> dict[str, Any]:
        """What was set of a provider. ConfigError for a file that others may read, or that can't be read."""
        return self.all().get(provider, {})

    def all(self) -> dict[str, dict[str, Any]]:
        """What was set of each."""
        try:
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise ConfigError(f"{self.path} holds keys and is open to others", hint=f"chmod 600 {self.path}")
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, dict[str, Any]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"{self.path} can't be read: {error}") from error

    def set(self, provider: str, changes: Mapping[str, Any]) -> None:
        """Change some; null takes what was set back. ConfigError for what can't be set."""
        known = SETTABLE.get(provider, {})
        for key, value in changes.items():
            if key not in known or not (value is None or isinstance(value, known[key])):
                raise ConfigError(f"{provider}.{key} can't be set to that here", hint=f"there are {', '.join(known) or 'none'}")
            if key == "webhook_url" and value and not is_address(value):
                raise ConfigError(
                    f"{value!r} is no address that news can be sent to", hint="like https://tasuki.example/api/webhooks/replicate"
                )
        found = self.all()
        merged = found.get(provider, {}) | dict(changes)
        found[provider] = {key: value for key, value in merged.items() if value is not None}
        replace_file(self.path, msgspec.json.encode(found), mode=0o600, durable=True)


def is_address(text: str) -> bool:
    """Whether something can be sent there over HTTP."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname)


def shown_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's settings without its secrets, of which only is said whether they are set."""
    found = {key: value for key, value in values.items() if key not in SECRET}
    return found | {f"{key}_is_set": bool(values[key]) for key in values if key in SECRET}
