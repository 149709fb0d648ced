"""The only reader of environment and settings files: argument > environment > file > default, in one frozen struct."""

import os
import pwd
import socket
from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
import platformdirs

from tasuki.alert_targets import Target, targets_from
from tasuki.errors import ConfigError
from tasuki.remotes import Key, Remotes

__all__ = [
    "TABLE",
    "LocalSettings",
    "Polling",
    "ReplicateSettings",
    "Setting",
    "Settings",
    "captured_environment",
    "failpoints",
    "hermes_home",
    "hugging_face_token",
    "job_environment",
    "load",
    "own_variable",
    "this_user",
    "trackio_folder",
    "with_environment",
]


class Setting(NamedTuple):
    """One row of the table in the docs: the key (in the file, and as an argument), its variables (the first wins), its meaning."""

    key: str
    variables: tuple[str, ...]
    default: str
    meaning: str


TABLE = (
    Setting("dir", ("TASUKI_DIR",), "the platform's user data folder", "the data folder: journals, the store, credentials"),
    Setting(
        "journal",
        ("TASUKI_JOURNAL",),
        "`journal/` in the data folder",
        "puts only the journals elsewhere, e.g. on a volume",
    ),
    Setting(
        "project",
        ("TASUKI_PROJECT", "TRACKIO_PROJECT"),
        "the only project there is",
        "the project, where none is named",
    ),
    Setting(
        "remote",
        ("TASUKI_REMOTE", "TRACKIO_SERVER_URL"),
        "none: local only",
        "the server that records are sent to: its address, or its name among `tasuki remote list`",
    ),
    Setting("token", ("TASUKI_TOKEN", "GRADATA_API_KEY", "TRACKIO_WRITE_TOKEN"), "none", "the key for the server"),
    Setting(
        "disable_write_through",
        ("TASUKI_DISABLE_WRITE_THROUGH", "GRADATA_DISABLE_WRITE_THROUGH"),
        "false",
        "no automatic sending: everything stays in the journal until `tasuki sync`",
    ),
    Setting(
        "retention_days",
        ("TASUKI_RETENTION_DAYS",),
        "30",
        "how long `tasuki gc` keeps the journals of a run that its server has",
    ),
    Setting(
        "notify",
        ("TASUKI_NOTIFY",),
        "nobody",
        "where alerts are delivered to: addresses, in the file each with `project` and `level` if need be (docs/alerts.md)",
    ),
    Setting(
        "stalled_minutes",
        ("TASUKI_STALLED_MINUTES",),
        "10",
        "how long a running run may log nothing before its server raises the alert `stalled`; 0: for ever",
    ),
    Setting(
        "public_url",
        ("TASUKI_PUBLIC_URL",),
        "the address that is served",
        "the address of the server's page for people, to which the links in alerts lead",
    ),
    Setting("capture_git", ("TASUKI_CAPTURE_GIT",), "true", "a run notes the commit of its code, and the uncommitted changes"),
    Setting(
        "system_metrics",
        ("TASUKI_SYSTEM_METRICS",),
        "15",
        "seconds between samples of the machine's load, logged under `system/`; 0 or false for none",
    ),
    Setting(
        "background.job_status_polling.enabled",
        (),
        "true where no webhook is set up",
        "whether a server asks providers how jobs are; false: never; unset, and with a webhook: only every `reconcile_seconds`",
    ),
    Setting(
        "background.job_status_polling.interval_seconds",
        ("TASUKI_JOB_POLL_INTERVAL", "SIMPLETUNER_JOB_POLL_INTERVAL"),
        "30",
        "how often it asks; at least 5 in the environment. `job_polling_interval` is the same",
    ),
    Setting(
        "background.job_status_polling.reconcile_seconds",
        (),
        "300",
        "how often it asks where a webhook is set up; 0: never, and what was sent while the server was down is missed",
    ),
    Setting("background.queue_processing.enabled", (), "true", "whether a server starts jobs that wait for their turn"),
    Setting("background.queue_processing.interval_seconds", (), "5", "how often it looks at the queue"),
    Setting("providers.local.max_running", (), "2", "how many jobs run on this machine at one time; others wait"),
    Setting("providers.local.kill_seconds", (), "10", "how long a job that is cancelled has to end by itself"),
    Setting("providers.replicate.token", ("REPLICATE_API_TOKEN",), "none", "the key for Replicate"),
    Setting("providers.replicate.base_url", (), "`https://api.replicate.com`", "where Replicate's API is"),
    Setting(
        "providers.replicate.webhook_url",
        (),
        "none",
        "the public address of this server's `/api/webhooks/replicate`, to which Replicate sends news",
    ),
    Setting("providers.replicate.version", (), "none", "the model version that jobs run, where they name none"),
    Setting("providers.replicate.hardware", (), "none", "the hardware that jobs run on, where they name none: for their cost"),
    Setting("providers.replicate.prices", (), "a table of Replicate's", "USD a second, by hardware"),
    Setting("events_per_address", ("TASUKI_EVENTS_PER_ADDRESS",), "5", "how many event streams one address may have open"),
    Setting("trusted_proxies", (), "none", "addresses of proxies whose `X-Forwarded-For` is believed; a list, or text with commas"),
)
"""Every setting. `TASUKI_CONFIG` names the settings file; it is `tasuki.yaml` in the data folder otherwise."""

POLL_INTERVAL = "background.job_status_polling.interval_seconds"
ALIASES = {"job_polling_interval": POLL_INTERVAL, "background.job_polling_interval": POLL_INTERVAL}
LEAST_INTERVAL = 5
NEIGHBOURS_FILE = "simpletuner-enterprise.yaml"
TOKEN_VARIABLES = next(setting.variables for setting in TABLE if setting.key == "token")
P = TypeVar("P", bound=msgspec.Struct)
TRUE = {"1", "true", "yes", "on"}
LARGEST_AMOUNT = 36_500
LONGEST_INTERVAL_SECONDS = 86_400
FALSE = {"0", "false", "no", "off", ""}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the settings that has a name of its own in the file."""


Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Polling(Part, frozen=True, kw_only=True):
    """When providers are asked how jobs are."""

    enabled: bool | None = None
    interval_seconds: Seconds = 30
    reconcile_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 300


class Queueing(Part, frozen=True, kw_only=True):
    """When jobs that wait are started."""

    enabled: bool = True
    interval_seconds: Seconds = 5


class Background(Part, frozen=True, kw_only=True):
    """What a server does by itself."""

    job_status_polling: Polling = Polling()
    queue_processing: Queueing = Queueing()


class LocalSettings(Part, frozen=True, kw_only=True):
    """Jobs on this machine."""

    max_running: Annotated[int, msgspec.Meta(ge=1)] = 2
    kill_seconds: Annotated[float, msgspec.Meta(ge=0)] = 10


class ReplicateSettings(Part, frozen=True, kw_only=True):
    """Jobs at Replicate."""

    token: str | None = None
    base_url: str = "https://api.replicate.com"
    webhook_url: str | None = None
    version: str | None = None
    hardware: str | None = None
    prices: dict[str, float] = {}


class Providers(Part, frozen=True, kw_only=True):
    """Where jobs run."""

    local: LocalSettings = LocalSettings()
    replicate: ReplicateSettings = ReplicateSettings()


class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What was decided. `origin` says per key where its value came from."""

    dir: Path
    journal: Path | None = None
    project: str | None = None
    remote: str | None = None
    token: str | None = None
    disable_write_through: bool = False
    retention_days: float = 30
    background: Background = Background()
    providers: Providers = Providers()
    events_per_address: int = 5
    trusted_proxies: frozenset[str] = frozenset()
    notify: tuple[Target, ...] = ()
    stalled_minutes: float = 10
    public_url: str | None = None
    capture_git: bool = True
    system_metrics: float = 15
    origin: dict[str, str] = {}

    def key(self, remote: str) -> Key:
        """The token for a server: the argument's or the environment's, else what `credentials` says then, else the file's."""
        if self.token and self.origin.get("token") in {"argument", *TOKEN_VARIABLES}:
            return lambda: self.token
        return Remotes(self.dir).key(remote, self.token)

    @cached_property
    def journal_root(self) -> Path:
        """Where project folders with journals lie."""
        return self.journal or self.dir / "journal"

    @cached_property
    def lock_root(self) -> Path:
        """Where the locks of writers lie: always on this machine's side."""
        return self.dir / "journal"


def load(environment: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
    """The settings in force. An argument of None counts as not given. ConfigError for what can't be read or is unknown."""
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
    neighbours = folder / NEIGHBOURS_FILE
    for key, value in settings_file(neighbours, required=False, strict=False).items():
        if key not in origin:
            values[key], origin[key] = value, str(neighbours)
    return settings_from(values | {"dir": folder}, origin)


def settings_from(values: Mapping[str, Any], origin: dict[str, str]) -> Settings:
    """Text and YAML values as what they stand for."""
    journal = values.get("journal")
    return Settings(
        dir=values["dir"],
        journal=Path(journal).expanduser().absolute() if journal else None,
        project=values.get("project"),
        remote=Remotes(values["dir"]).url(values["remote"]) if values.get("remote") else None,
        token=values.get("token"),
        disable_write_through=truth(values.get("disable_write_through", False), origin.get("disable_write_through", "")),
        background=part("background", Background, values, origin),
        providers=part("providers", Providers, values, origin),
        events_per_address=count(values.get("events_per_address", 5), origin.get("events_per_address", "")),
        trusted_proxies=listed(values.get("trusted_proxies") or ()),
        retention_days=amount(values.get("retention_days", 30), origin.get("retention_days", ""), "days, like 30"),
        notify=targets_from(values.get("notify"), origin.get("notify", "")),
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
    if isinstance(found, Background) and variable.isupper() and found.job_status_polling.interval_seconds < LEAST_INTERVAL:
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
    """What a settings file says, by key; nothing where there is none. What it says of things unknown is an error if `strict`."""
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
    if odd and strict and path.name != NEIGHBOURS_FILE:
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


def default_folder() -> Path:
    """The platform's folder for a user's data."""
    return platformdirs.user_data_path("tasuki", appauthor=False)


def cache_folder() -> Path:
    """The platform's folder for what can be made again, on this machine."""
    return platformdirs.user_cache_path("tasuki", appauthor=False)


def hermes_home() -> Path:
    """Where the agent Hermes keeps its configuration: `HERMES_HOME`, else `~/.hermes`."""
    return Path(os.environ.get("HERMES_HOME") or "~/.hermes").expanduser()


def trackio_folder() -> Path:
    """Where trackio keeps its files: `TRACKIO_DIR`, else below Hugging Face's own folder."""
    named = os.environ.get("TRACKIO_DIR")
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface")
    return Path(named or home / "trackio").expanduser().absolute()


def hugging_face_token() -> str | None:
    """`HF_TOKEN`; it is shown to Hugging Face, and to no other."""
    return os.environ.get("HF_TOKEN") or None


def with_environment(**more: str) -> dict[str, str]:
    """This process's environment with some variables more, for a process that it starts."""
    return os.environ | more


def failpoints() -> str:
    """Where this process is to fail on purpose (docs/durability.md)."""
    return os.environ.get("TASUKI_FAILPOINTS", "")


def this_user() -> str:
    """Who is at work here, as `user@host`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's users may have no name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


SCHEDULER_PREFIXES = ("SLURM_", "PBS_")
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


def captured_environment() -> dict[str, Any]:
    """What a run records of where it runs: host, scheduler ids; nothing that looks like a secret."""
    scheduler = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(SCHEDULER_PREFIXES) and not any(word in name for word in SECRET_WORDS)
    }
    job = {"job": os.environ["TASUKI_JOB_ID"]} if os.environ.get("TASUKI_JOB_ID") else {}
    return {"host": socket.gethostname()} | job | ({"scheduler": scheduler} if scheduler else {})


def own_variable(name: str) -> str | None:
    """A variable of this environment that somebody has asked for by name."""
    return os.environ.get(name)


def job_environment(job: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job on this machine: this process's, what was given with it, and which job it is."""
    return {**os.environ, **given, "TASUKI_JOB_ID": job}
