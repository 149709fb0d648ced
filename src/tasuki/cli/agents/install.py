"""The command `tasuki install`: configure an agent for write-through."""

import difflib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.errors import ConfigError, TasukiError

__all__ = ["EXAMPLES", "install"]

EXAMPLES = "tasuki install --agent hermes --dry-run\ntasuki install --agent hermes"
BACKUP_SUFFIX = ".before-tasuki"


class AgentConfig(NamedTuple):
    """Location of an agent's configuration, and the function that edits it."""

    config_path: Path
    update_config: Callable[[str], str]


def get_hermes_config() -> AgentConfig:
    """Return the configuration of https://github.com/NousResearch/hermes-agent."""
    from tasuki.cli.agents.hermes_config import update_config
    from tasuki.settings import hermes_home

    return AgentConfig(hermes_home() / "config.yaml", update_config)


AGENTS = {"hermes": get_hermes_config}


def install(
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help=f"One of: {', '.join(AGENTS)}.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")] = False,
) -> None:
    """Configure an agent: its tools know the data folder, and no hook syncs at a session's end.

    Notes are sent as they are made. Every other byte of the file stays as it is.
    """
    if agent not in AGENTS:
        raise ConfigError(f"no agent {agent!r} is known", hint=f"the agents are: {', '.join(AGENTS)}")
    found = AGENTS[agent]()
    path = Path(os.path.realpath(found.config_path))
    before = read_config(path)
    try:
        after = found.update_config(before)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", hint=error.hint) from error
    if after == before:
        print_message(f"{path}: set up already")
    elif dry_run:
        lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
        typer.echo("".join(difflib.unified_diff(*lines, str(path), str(path))), nl=False)
    else:
        replace_with_backup(path, after)
        print_message(f"{path}: set up")


def read_config(path: Path) -> str:
    """Read the configuration with its line ends; empty if it does not exist."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error}", hint="nothing was changed; put it right first") from error


def replace_with_backup(path: Path, text: str) -> None:
    """Replace the file at once, with its mode, and keep a backup."""
    from tasuki.atomic_files import write_draft

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with write_draft(path, text.encode(), 0o600, durable=True) as draft:
            if path.exists():
                shutil.copymode(path, draft)
                shutil.copy2(path, path.with_name(path.name + BACKUP_SUFFIX))
            draft.replace(path)
    except OSError as error:
        raise TasukiError(f"{path} can't be written: {error.strerror}", hint="it is as it was") from error
