"""Hermes' `config.yaml` as write-through wants it: no hook that syncs when a session ends, and tools that know the data folder.

The format: https://hermes-agent.nousresearch.com/docs/user-guide/features/hooks and …/user-guide/configuration
"""

import shlex
from pathlib import Path
from typing import Any

import yaml

from tasuki.cli.agents.yaml_edit import Container, cut, newline_of, parsed, put_in, root, value_of
from tasuki.errors import ConfigError

__all__ = ["configured", "is_sync"]

ENDS = ("on_session_end", "on_session_finalize", "session_end")
"""The events at which a session is over; `session_end` was written by old versions of gradata."""
PROGRAMS = {"tasuki", "gradata"}
SESSION_CLOSE = "gradata.hooks.session_close"
"""What gradata's own installer puts there."""
PASSED = ["TASUKI_DIR", "TASUKI_REMOTE", "TASUKI_DISABLE_WRITE_THROUGH"]
"""What the agent's tools would not see otherwise. No key is among them: that lies in the data folder's `credentials`."""
BY_HAND = f"nothing was changed; put in by hand: terminal: {{env_passthrough: [{', '.join(PASSED)}]}}, and remove the sync hook"


def configured(text: str) -> str:
    """The configuration as it should be: the same text if it is so already. ConfigError for one that can't be read or edited."""
    before = settings_in(text)
    wanted = passing(without_sync(before))
    try:
        after = edited(text, missing_names(before))
        if (parsed(after) or {}) == wanted:
            return after
        reason = "touching the rest"
    except yaml.YAMLError as error:
        reason = f"breaking it: {on_one_line(error)}"
    raise ConfigError(f"the configuration is written in a way that can't be edited without {reason}", hint=BY_HAND)


def edited(text: str, missing: list[str]) -> str:
    """The text without sync hooks, and with the variables that are missing."""
    while path := sync_hook(root(text)):
        shorter = cut(text, path)
        if len(shorter) >= len(text):  # an alias: what it stands for is elsewhere
            break
        text = shorter
    return passed_on(text, missing)


def on_one_line(error: yaml.YAMLError) -> str:
    """What the parser says."""
    return " ".join(str(error).split())


def settings_in(text: str) -> dict[str, Any]:
    """What a configuration says."""
    try:
        found = parsed(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {on_one_line(error)}", hint="nothing was changed; put it right first") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"not a mapping but a {type(found).__name__}", hint="nothing was changed; put it right first")
    return found


# -- hooks that sync when a session ends


def is_sync(entry: object) -> bool:
    """Whether a hook is tasuki's or gradata's own sync, however it is started."""
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
        return module == SESSION_CLOSE or (package in PROGRAMS and (words[:1] == ["sync"] or "sync" in rest))
    return bool(words) and Path(words[0]).name in PROGRAMS and words[1:2] == ["sync"]


def without_sync(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without such hooks, and without what they leave empty."""
    settings = dict(unshared(settings))
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return settings
    for event in ENDS:
        entries = hooks.get(event)
        if isinstance(entries, list) and any(map(is_sync, entries)):
            hooks[event] = [entry for entry in entries if not is_sync(entry)]
            if not hooks[event]:
                del hooks[event]
            if not hooks:
                del settings["hooks"]
    return settings


def unshared(value: Any) -> Any:
    """A copy in which nothing is in two places, as what an alias names is."""
    if isinstance(value, dict):
        return {key: unshared(item) for key, item in value.items()}
    return [unshared(item) for item in value] if isinstance(value, list) else value


def sync_hook(tree: yaml.Node | None) -> list[tuple[Container, int]]:
    """The path to the first such hook; empty if there is none."""
    hooks = value_of(tree, "hooks")
    if not isinstance(tree, yaml.MappingNode) or not isinstance(hooks, yaml.MappingNode):
        return []
    for number, (event, entries) in enumerate(hooks.value):
        if event.value not in ENDS or not isinstance(entries, yaml.SequenceNode):
            continue
        for index, entry in enumerate(entries.value):
            command = value_of(entry, "command") or entry
            if is_sync(command.value):
                place = next(place for place, (_, value) in enumerate(tree.value) if value is hooks)
                return [(tree, place), (hooks, number), (entries, index)]
    return []


# -- what the agent's tools see of the environment


def missing_names(settings: dict[str, Any]) -> list[str]:
    """What is not passed on yet. ConfigError where there is no list to add it to."""
    terminal = settings.get("terminal", {})
    names = terminal.get("env_passthrough", []) if isinstance(terminal, dict) else None
    if not isinstance(names, list):
        raise ConfigError("terminal.env_passthrough is no list in a mapping", hint=BY_HAND)
    return [name for name in PASSED if name not in names]


def passing(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the variables passed on."""
    if missing := missing_names(settings):
        terminal = settings.setdefault("terminal", {})
        terminal["env_passthrough"] = missing + terminal.get("env_passthrough", [])
    return settings


def passed_on(text: str, names: list[str]) -> str:
    """The text with these names where the rest of such names are."""
    if not names:
        return text
    tree = root(text)
    terminal = value_of(tree, "terminal")
    listed = value_of(terminal, "env_passthrough")
    entry = f"env_passthrough: [{', '.join(names)}]"
    if isinstance(listed, yaml.SequenceNode):
        return put_in(text, listed, names)
    if isinstance(terminal, yaml.MappingNode):
        return put_in(text, terminal, [entry])
    if isinstance(tree, yaml.MappingNode) and tree.flow_style:
        return put_in(text, tree, [f"terminal: {{{entry}}}"])
    end = newline_of(text)
    return f"{text}{'' if not text or text.endswith(end) else end}terminal:{end}  {entry}{end}"
