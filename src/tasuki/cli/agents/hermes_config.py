"""Edit Hermes' `config.yaml` for write-through.

No sync hook at a session's end, and the data folder in tools.

The format: https://hermes-agent.nousresearch.com/docs/user-guide/features/hooks and …/user-guide/configuration
"""

import shlex
from pathlib import Path
from typing import Any

import yaml

from tasuki.cli.agents.yaml_edit import Container, compose_tree, detect_newline, get_value, insert_entries, parse_yaml, remove_entry
from tasuki.errors import ConfigError

__all__ = ["is_sync_hook", "update_config"]

SESSION_END_EVENTS = ("on_session_end", "on_session_finalize", "session_end")
"""The events at which a session is over; `session_end` was written by old versions of gradata."""
SYNC_PROGRAMS = {"tasuki", "gradata"}
GRADATA_HOOK_MODULE = "gradata.hooks.session_close"
"""What gradata's own installer puts there."""
ENV_PASSTHROUGH = ["TASUKI_DIR", "TASUKI_REMOTE", "TASUKI_DISABLE_WRITE_THROUGH"]
"""What the agent's tools would not see otherwise. No key is among them: that lies in the data folder's `credentials`."""
MANUAL_HINT = (
    f"nothing was changed; put in by hand: terminal: {{env_passthrough: [{', '.join(ENV_PASSTHROUGH)}]}}, and remove the sync hook"
)


def update_config(text: str) -> str:
    """Return the edited configuration; the same text if nothing has to change.

    Raise ConfigError if it cannot be edited.
    """
    before = parse_settings(text)
    wanted = add_env_passthrough(remove_sync_hooks(before))
    try:
        after = edit_text(text, find_missing_variables(before))
        if (parse_yaml(after) or {}) == wanted:
            return after
        reason = "touching the rest"
    except yaml.YAMLError as error:
        reason = f"breaking it: {format_yaml_error(error)}"
    raise ConfigError(f"the configuration is written in a way that can't be edited without {reason}", hint=MANUAL_HINT)


def edit_text(text: str, missing: list[str]) -> str:
    """Remove sync hooks, and add missing variables."""
    while path := find_sync_hook(compose_tree(text)):
        shorter = remove_entry(text, path)
        if len(shorter) >= len(text):  # an alias: what it stands for is elsewhere
            break
        text = shorter
    return insert_env_passthrough(text, missing)


def format_yaml_error(error: yaml.YAMLError) -> str:
    """Return the YAML parser's message."""
    return " ".join(str(error).split())


def parse_settings(text: str) -> dict[str, Any]:
    """Parse a configuration."""
    try:
        found = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {format_yaml_error(error)}", hint="nothing was changed; put it right first") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"not a mapping but a {type(found).__name__}", hint="nothing was changed; put it right first")
    return found


# -- hooks that sync when a session ends


def is_sync_hook(entry: object) -> bool:
    """Return whether a hook runs tasuki's or gradata's sync, however it is started."""
    command = entry.get("command") if isinstance(entry, dict) else entry
    if not isinstance(command, str):
        return False
    try:
        words = shlex.split(command)
    except ValueError:  # what can't be split is nothing that was ever installed
        return False
    while words and (Path(words[0]).name == "env" or "=" in words[0]):
        words = words[1:]
    if "-m" in words[:3]:
        module, *words = words[words.index("-m") + 1 :] or [""]
        package, _, rest = module.partition(".")
        return module == GRADATA_HOOK_MODULE or (package in SYNC_PROGRAMS and (words[:1] == ["sync"] or "sync" in rest))
    return bool(words) and Path(words[0]).name in SYNC_PROGRAMS and words[1:2] == ["sync"]


def remove_sync_hooks(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without sync hooks, and without containers that this leaves empty."""
    settings = dict(copy_without_aliases(settings))
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return settings
    for event in SESSION_END_EVENTS:
        entries = hooks.get(event)
        if isinstance(entries, list) and any(map(is_sync_hook, entries)):
            hooks[event] = [entry for entry in entries if not is_sync_hook(entry)]
            if not hooks[event]:
                del hooks[event]
            if not hooks:
                del settings["hooks"]
    return settings


def copy_without_aliases(value: Any) -> Any:
    """Copy a tree without aliases."""
    if isinstance(value, dict):
        return {key: copy_without_aliases(item) for key, item in value.items()}
    return [copy_without_aliases(item) for item in value] if isinstance(value, list) else value


def find_sync_hook(tree: yaml.Node | None) -> list[tuple[Container, int]]:
    """Return the path to the first sync hook; empty if there is none."""
    hooks = get_value(tree, "hooks")
    if not isinstance(tree, yaml.MappingNode) or not isinstance(hooks, yaml.MappingNode):
        return []
    for number, (event, entries) in enumerate(hooks.value):
        if event.value not in SESSION_END_EVENTS or not isinstance(entries, yaml.SequenceNode):
            continue
        for index, entry in enumerate(entries.value):
            command = get_value(entry, "command") or entry
            if is_sync_hook(command.value):
                place = next(place for place, (_, value) in enumerate(tree.value) if value is hooks)
                return [(tree, place), (hooks, number), (entries, index)]
    return []


# -- what the agent's tools see of the environment


def find_missing_variables(settings: dict[str, Any]) -> list[str]:
    """Return the variables that are not passed on yet.

    Raise ConfigError if there is no list to add them to.
    """
    terminal = settings.get("terminal", {})
    names = terminal.get("env_passthrough", []) if isinstance(terminal, dict) else None
    if not isinstance(names, list):
        raise ConfigError("terminal.env_passthrough is no list in a mapping", hint=MANUAL_HINT)
    return [name for name in ENV_PASSTHROUGH if name not in names]


def add_env_passthrough(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the variables passed on."""
    if missing := find_missing_variables(settings):
        terminal = settings.setdefault("terminal", {})
        terminal["env_passthrough"] = missing + terminal.get("env_passthrough", [])
    return settings


def insert_env_passthrough(text: str, names: list[str]) -> str:
    """Insert names into the list of passed-on variables."""
    if not names:
        return text
    tree = compose_tree(text)
    terminal = get_value(tree, "terminal")
    listed = get_value(terminal, "env_passthrough")
    entry = f"env_passthrough: [{', '.join(names)}]"
    if isinstance(listed, yaml.SequenceNode):
        return insert_entries(text, listed, names)
    if isinstance(terminal, yaml.MappingNode):
        return insert_entries(text, terminal, [entry])
    if isinstance(tree, yaml.MappingNode) and tree.flow_style:
        return insert_entries(text, tree, [f"terminal: {{{entry}}}"])
    end = detect_newline(text)
    return f"{text}{'' if not text or text.endswith(end) else end}terminal:{end}  {entry}{end}"
