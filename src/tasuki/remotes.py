"""Named remotes and the tokens for them: the file `credentials` in the data folder, its owner's alone.

    <name> <url> [<token>]

It is read anew whenever it has changed: a new token is used by what runs already.
"""

import logging
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError, NotFound

__all__ = ["CREDENTIALS_FILE", "Remote", "RemotesFile", "TokenSource"]

CREDENTIALS_FILE = "credentials"
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SCHEME_SEPARATOR = "://"
TokenSource = Callable[[], str | None]
"""What says, each time, which token to show now."""
log = logging.getLogger("tasuki.remotes")


class Remote(NamedTuple):
    """A server under a name, and the token for it."""

    name: str
    url: str
    token: str | None = None


class RemotesFile:
    """One data folder's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CREDENTIALS_FILE

    def all(self) -> list[Remote]:
        """Return every remote, in order. Raise ConfigError if the file is readable by others, or unreadable."""
        try:
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise ConfigError(f"{self.path} holds tokens and is open to others", hint=f"chmod 600 {self.path}")
            lines = self.path.read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} can't be read: {error}") from error
        return [self.parse_line(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]

    def parse_line(self, number: int, line: str) -> Remote:
        """One line. ConfigError, which does not show it, for what is none."""
        match line.split():
            case [name, url, *token] if SCHEME_SEPARATOR in url and len(token) < 2:
                return Remote(name, url, token[0] if token else None)
        raise ConfigError(f"line {number} of {self.path} is none", hint="a line is: NAME URL TOKEN")

    def resolve_url(self, name_or_url: str) -> str:
        """The address of a remote; of an address, itself. ConfigError for a name that is none."""
        if SCHEME_SEPARATOR in name_or_url:
            return name_or_url
        found = self.all()
        for remote in found:
            if remote.name == name_or_url:
                return remote.url
        names = ", ".join(remote.name for remote in found)
        raise ConfigError(
            f"{name_or_url!r} is neither a remote nor the address of a server",
            hint=f"there are {names}"
            if names
            else f"like http://127.0.0.1:7700, or: tasuki remote add {name_or_url or 'team'} URL",
        )

    def find_token(self, url: str) -> str | None:
        """The token for an address; None where there is none."""
        return next((remote.token for remote in self.all() if remote.token and is_same_url(remote.url, url)), None)

    def token_source(self, url: str, default: str | None = None) -> TokenSource:
        """Return a function for the current token of an address; it warns once about an unreadable file."""
        seen: tuple[int, ...] | None = None
        token = default

        def current_token() -> str | None:
            nonlocal seen, token
            now = self.file_version()
            if now != seen:
                seen = now
                try:
                    token = self.find_token(url) or default
                except ConfigError as error:
                    log.warning("the token for %s stays as it was: %s", url, error)
            return token

        return current_token

    def file_version(self) -> tuple[int, ...]:
        """Something that is another one after the file has changed."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def add(self, remote: Remote) -> None:
        """Keep a remote, in place of one of that name. ConfigError for a name that can't be one."""
        if not NAME_PATTERN.fullmatch(remote.name):
            raise ConfigError(f"{remote.name!r} can't be a remote's name", hint="letters, digits, '.', '_' or '-'")
        self.write([*(one for one in self.all() if one.name != remote.name), remote])

    def remove(self, name: str) -> None:
        """Forget a remote. NotFound for one that is none."""
        found = self.all()
        if name not in {remote.name for remote in found}:
            raise NotFound(f"there is no remote {name!r}", hint="tasuki remote list")
        self.write([remote for remote in found if remote.name != name])

    def write(self, remotes: list[Remote]) -> None:
        """Replace the file by one that only its owner can read, at no moment torn or open to others."""
        lines = "".join(f"{' '.join(filter(None, remote))}\n" for remote in remotes)
        replace_file(self.path, lines.encode(), mode=0o600, durable=True)


def is_same_url(url: str, other_url: str) -> bool:
    """Return whether two addresses belong to one server."""
    return url.rstrip("/") == other_url.rstrip("/")
