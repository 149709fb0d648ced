"""Names of projects and of their folders: any Unicode goes, nothing leads out of the data folder."""

import hashlib
import re
import unicodedata

from tasuki.errors import ConfigError

__all__ = ["normalize_project_name", "project_folder_name", "validate_run_id"]

MAX_NAME_CHARACTERS = 1000
MAX_SLUG_CHARACTERS = 40


def normalize_project_name(name: str) -> str:
    """The name as it is kept: NFC, without spaces around it. ConfigError for what can't be a name."""
    if not isinstance(name, str):
        raise ConfigError(f"a project's name is a string, not {type(name).__name__}")
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise ConfigError("the project's name is empty", hint='give one: tasuki.init(project="digits")')
    if len(cleaned) > MAX_NAME_CHARACTERS:
        raise ConfigError(f"the project's name has {len(cleaned)} characters; {MAX_NAME_CHARACTERS} are the most")
    odd = [character for character in cleaned if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}]
    if odd:
        raise ConfigError(f"the project's name {cleaned!r} has a character that can't be shown: {odd[0]!r}")
    return cleaned


def project_folder_name(project: str) -> str:
    """Return a project's folder name: a readable slug and 12 hex digits that separate `A` from `a`."""
    ascii_name = unicodedata.normalize("NFKD", project).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name)[:MAX_SLUG_CHARACTERS].strip("-")
    return f"{slug or 'project'}-{hashlib.sha256(project.encode()).hexdigest()[:12]}"


def validate_run_id(text: str) -> str:
    """A run's id as a user may choose it: 1 to 64 letters, digits, `.`, `_` or `-`. ConfigError otherwise."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ConfigError(f"{text!r} can't be a run's id", hint="1 to 64 letters, digits, '.', '_' or '-'; use name= for any text")
    return text
