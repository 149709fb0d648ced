"""Load settings: argument > environment > file > default."""

import os
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tasuki.alert_targets import parse_targets
from tasuki.errors import ConfigError
from tasuki.remotes import RemotesFile
from tasuki.settings.paths import default_folder
from tasuki.settings.schema import TABLE, BackgroundSettings, ProviderSettings, Settings

__all__ = ["load", "part"]

POLL_INTERVAL = "background.job_status_polling.interval_seconds"
ALIASES = {"job_polling_interval": POLL_INTERVAL, "background.job_polling_interval": POLL_INTERVAL}
LEAST_INTERVAL = 5
NEIGHBOR_FILE = "simpletuner-enterprise.yaml"
P = TypeVar("P", bound=msgspec.Struct)
TRUE = {"1", "true", "yes", "on"}
LARGEST_AMOUNT = 36_500
LONGEST_INTERVAL_SECONDS = 86_400
FALSE = {"0", "false", "no", "off", ""}


def load(environment: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
    """Load the settings. An argument of None counts as not given. Raise ConfigError if invalid or unknown."""
    variables = os.environ if environment is None else environment
    values, origin = {}, {}
    given = {key: value for key, value in arguments.items() if value is not None}
    for setting in TABLE:
        for variable in setting.variables:
            if variables.get(variable):
                values[setting.key], origin[setting.key] = variables[variable], variable
                break
    for key, value in given.items():
        values[key], origin[key] = value, "argument"
    folder = Path(values.get("dir") or default_folder()).expanduser().absolute()
    named = variables.get("TASUKI_CONFIG")
    path = Path(named).expanduser() if named else folder / "tasuki.yaml"
    for key, value in settings_file(path, required=bool(named)).items():
        if key not in origin:
            values[key], origin[key] = value, str(path)
    neighbor = folder / NEIGHBOR_FILE
    for key, value in settings_file(neighbor, required=False, strict=False).items():
        if key not in origin:
            values[key], origin[key] = value, str(neighbor)
    return settings_from(values | {"dir": folder}, origin)


def settings_from(values: Mapping[str, Any], origin: dict[str, str]) -> Settings:
    """Text and YAML values as what they stand for."""
    journal = values.get("journal")
    return Settings(
        dir=values["dir"],
        journal=Path(journal).expanduser().absolute() if journal else None,
        project=values.get("project"),
        remote=RemotesFile(values["dir"]).resolve_url(values["remote"]) if values.get("remote") else None,
        token=values.get("token"),
        disable_write_through=truth(values.get("disable_write_through", False), origin.get("disable_write_through", "")),
        background=part("background", BackgroundSettings, values, origin),
        providers=part("providers", ProviderSettings, values, origin),
        events_per_address=count(values.get("events_per_address", 5), origin.get("events_per_address", "")),
        trusted_proxies=listed(values.get("trusted_proxies") or ()),
        retention_days=amount(values.get("retention_days", 30), origin.get("retention_days", ""), "days, like 30"),
        notify=parse_targets(values.get("notify"), origin.get("notify", "")),
        stalled_minutes=amount(values.get("stalled_minutes", 10), origin.get("stalled_minutes", ""), "minutes, like 10"),
        public_url=values.get("public_url"),
        capture_git=truth(values.get("capture_git", True), origin.get("capture_git", "")),
        system_metrics=interval(values.get("system_metrics", 15), origin.get("system_metrics", "")),
        origin=origin,
    )


def part(name: str, kind: type[P], values: Mapping[str, Any], origin: Mapping[str, str]) -> P:
    """The settings below a name. ConfigError for what is none, and for an interval that is too short."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        if key.startswith(f"{name}."):
            branch = tree
            *above, last = key.split(".")[1:]
            for word in above:
                branch = branch.setdefault(word, {})
            branch[last] = value
    try:
        found = msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        named = ", ".join(sorted({origin[key] for key in values if key.startswith(f"{name}.") and key in origin}))
        raise ConfigError(f"{named}: {name}: {error}", hint="docs/settings.md has all settings") from error
    variable = origin.get(POLL_INTERVAL, "")
    if isinstance(found, BackgroundSettings) and variable.isupper() and found.job_status_polling.interval_seconds < LEAST_INTERVAL:
        raise ConfigError(f"{variable} is {values[POLL_INTERVAL]!r}", hint=f"type a number of seconds, {LEAST_INTERVAL} or more")
    return found


def count(value: object, origin: str) -> int:
    """A number of things, at least one."""
    if not str(value).isascii() or not str(value).isdigit() or not 1 <= int(str(value)) <= 1_000_000:
        raise ConfigError(f"{origin} is {value!r}", hint="type a number, like 5")
    return int(str(value))


def listed(value: Any) -> frozenset[str]:
    """Several words: a list, or text with commas."""
    words = value.split(",") if isinstance(value, str) else value
    return frozenset(str(word).strip() for word in words if str(word).strip())


def truth(value: object, origin: str) -> bool:
    """Yes or no, as people write it."""
    text = str(value).strip().lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise ConfigError(f"{origin} is {value!r}", hint="type 1 or 0 (true/false, yes/no, on/off)")


def amount(value: object, origin: str, what: str) -> float:
    """A number of something, not below zero."""
    try:
        found = float(str(value))
    except ValueError:
        found = -1.0
    if not 0 <= found <= LARGEST_AMOUNT:
        raise ConfigError(f"{origin} is {value!r}", hint=f"type a number of {what}")
    return found


def interval(value: object, origin: str) -> float:
    """Seconds between samples, at least one; 0 for none. Yes means as usual."""
    text = str(value).strip().lower()
    if text in FALSE or text in TRUE - {"1"}:
        return 15.0 if text in TRUE else 0.0
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 1 <= found <= LONGEST_INTERVAL_SECONDS:
        raise ConfigError(f"{origin} is {value!r}", hint="type a number of seconds, like 15, or 0 for none")
    return found


def settings_file(path: Path, *, required: bool, strict: bool = True) -> dict[str, Any]:
    """Read a settings file by key; empty if it does not exist. With `strict`, raise for unknown keys."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise ConfigError(f"there is no settings file {path}", hint="see TASUKI_CONFIG") from None
        return {}
    except OSError as error:
        raise ConfigError(f"the settings file {path} can't be read: {error.strerror}") from error
    try:
        values = msgspec.yaml.decode(text) or {}
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} has no mapping")
    known = {setting.key for setting in TABLE} - {"dir"}
    found = dict(flattened(values, known | ALIASES.keys()))
    odd = [key for key in found if key not in known and key not in ALIASES]
    if odd and strict and path.name != NEIGHBOR_FILE:
        raise ConfigError(f"{path} has unknown keys: {', '.join(odd)}", hint=f"known are {', '.join(sorted(known))}")
    return {ALIASES.get(key, key): value for key, value in found.items() if key not in odd}


def flattened(values: Mapping[Any, Any], known: Set[str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys as they are written in the table, with what stands below them; what is not known, as it stands."""
    for name, value in values.items():
        key = f"{above}{name}"
        if key not in known and isinstance(value, dict) and any(one.startswith(f"{key}.") for one in known):
            yield from flattened(value, known, f"{key}.")
        else:
            yield key, value
