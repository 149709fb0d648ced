"""Destination of a volume's records.

A file at its root, `remote` (name or address) or `space_id` (USER/SPACE).

It may come late, change, or be wrong for a while: a syncer reads it every round.
"""

import re
from pathlib import Path
from typing import NamedTuple

from tasuki.atomic_files import replace_file
from tasuki.errors import ConfigError, TasukiError
from tasuki.relay.http_transport import parse_remote_url
from tasuki.remotes import NAME_PATTERN, SCHEME_SEPARATOR

__all__ = ["REMOTE_FILE", "SPACE_FILE", "Destination", "build_space_url", "read_destination", "setup_volume"]

REMOTE_FILE, SPACE_FILE = "remote", "space_id"
SPACE_PATTERN = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
MAX_FILE_BYTES = 4096


class Destination(NamedTuple):
    """A server, by name or address, or a Hugging Face Space."""

    remote: str | None = None
    space: str | None = None

    def __str__(self) -> str:
        return self.remote or f"the Space {self.space}"


def setup_volume(dir: str | Path, *, remote: str | None = None, space: str | None = None) -> Path:
    """Write the destination of a volume's records to the volume; return the file.

    May be repeated at any time.

    `remote`: a server's address, or its name among the syncer's remotes; `space`: a Hugging Face Space, USER/SPACE. ConfigError for
    what is neither, JournalError or OSError where the volume can't be written.
    """
    folder = Path(dir).expanduser().absolute()
    if (remote is None) == (space is None):
        raise ConfigError(
            "a volume has one destination", hint="--remote NAME|URL, or --space USER/SPACE; in Python remote= or space="
        )
    to = validate_destination(Destination(remote, space))
    name, other = (REMOTE_FILE, SPACE_FILE) if to.remote else (SPACE_FILE, REMOTE_FILE)
    replace_file(folder / name, f"{to.remote or to.space}\n".encode(), durable=True)
    (folder / other).unlink(missing_ok=True)
    return folder / name


def read_destination(folder: Path) -> Destination | None:
    """Read the volume's destination; None if it names none.

    Raise ConfigError if invalid, OSError if unreadable.
    """
    for name in (REMOTE_FILE, SPACE_FILE):
        path = folder / name
        try:
            with path.open("rb") as file:
                text = file.read(MAX_FILE_BYTES).decode(errors="replace").strip()
        except FileNotFoundError:
            continue
        try:
            return validate_destination(Destination(remote=text) if name == REMOTE_FILE else Destination(space=text))
        except TasukiError as error:
            raise ConfigError(f"{path} says {text[:80]!r}, which is no destination", hint="tasuki volume init --help") from error
    return None


def validate_destination(destination: Destination) -> Destination:
    """Check a destination."""
    if destination.remote is not None and SCHEME_SEPARATOR in destination.remote:
        parse_remote_url(destination.remote)
    elif destination.remote is not None and not NAME_PATTERN.fullmatch(destination.remote):
        raise ConfigError(
            f"{destination.remote!r} is neither a remote nor the address of a server", hint="like https://tasuki.example"
        )
    if destination.space is not None and not SPACE_PATTERN.fullmatch(destination.space):
        raise ConfigError(f"{destination.space!r} is no Space", hint="USER/SPACE")
    return destination


def build_space_url(space: str) -> str:
    """Return the address of a Space (https://huggingface.co/docs/hub/spaces-embed)."""
    return f"https://{re.sub(r'[^a-z0-9]+', '-', space.lower())}.hf.space"
