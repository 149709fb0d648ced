"""Settings as structs, and the table of their keys, variables, and defaults."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from tasuki.alert_targets import AlertTarget
from tasuki.remotes import RemotesFile, TokenSource

__all__ = [
    "TABLE",
    "BackgroundSettings",
    "LocalSettings",
    "PollingSettings",
    "ProviderSettings",
    "ReplicateSettings",
    "Seconds",
    "SettingRow",
    "Settings",
]


class SettingRow(NamedTuple):
    """A row of the table in the docs.

    Key (in the file, and as an argument), variables (the first wins), meaning.
    """

    key: str
    variables: tuple[str, ...]
    default: str
    meaning: str


TABLE = (
    SettingRow("dir", ("TASUKI_DIR",), "the platform's user data folder", "the data folder: journals, the store, credentials"),
    SettingRow(
        "journal",
        ("TASUKI_JOURNAL",),
        "`journal/` in the data folder",
        "puts only the journals elsewhere, e.g. on a volume",
    ),
    SettingRow(
        "project",
        ("TASUKI_PROJECT", "TRACKIO_PROJECT"),
        "the only project there is",
        "the project, where none is named",
    ),
    SettingRow(
        "remote",
        ("TASUKI_REMOTE", "TRACKIO_SERVER_URL"),
        "none: local only",
        "the server that records are sent to: its address, or its name among `tasuki remote list`",
    ),
    SettingRow("token", ("TASUKI_TOKEN", "GRADATA_API_KEY", "TRACKIO_WRITE_TOKEN"), "none", "the key for the server"),
    SettingRow(
        "disable_write_through",
        ("TASUKI_DISABLE_WRITE_THROUGH", "GRADATA_DISABLE_WRITE_THROUGH"),
        "false",
        "no automatic sending: everything stays in the journal until `tasuki sync`",
    ),
    SettingRow(
        "retention_days",
        ("TASUKI_RETENTION_DAYS",),
        "30",
        "how long `tasuki gc` keeps the journals of a run that its server has",
    ),
    SettingRow(
        "notify",
        ("TASUKI_NOTIFY",),
        "nobody",
        "where alerts are delivered to: addresses, in the file each with `project` and `level` if need be (docs/alerts.md)",
    ),
    SettingRow(
        "stalled_minutes",
        ("TASUKI_STALLED_MINUTES",),
        "10",
        "how long a running run may log nothing before its server raises the alert `stalled`; 0: for ever",
    ),
    SettingRow(
        "public_url",
        ("TASUKI_PUBLIC_URL",),
        "the address that is served",
        "the address of the server's page for people, to which the links in alerts lead",
    ),
    SettingRow("capture_git", ("TASUKI_CAPTURE_GIT",), "true", "a run notes the commit of its code, and the uncommitted changes"),
    SettingRow(
        "system_metrics",
        ("TASUKI_SYSTEM_METRICS",),
        "15",
        "seconds between samples of the machine's load, logged under `system/`; 0 or false for none",
    ),
    SettingRow(
        "background.job_status_polling.enabled",
        (),
        "true where no webhook is set up",
        "whether a server asks providers how jobs are; false: never; unset, and with a webhook: only every `reconcile_seconds`",
    ),
    SettingRow(
        "background.job_status_polling.interval_seconds",
        ("TASUKI_JOB_POLL_INTERVAL", "SIMPLETUNER_JOB_POLL_INTERVAL"),
        "30",
        "how often it asks; at least 5 in the environment. `job_polling_interval` is the same",
    ),
    SettingRow(
        "background.job_status_polling.reconcile_seconds",
        (),
        "300",
        "how often it asks where a webhook is set up; 0: never, and what was sent while the server was down is missed",
    ),
    SettingRow("background.queue_processing.enabled", (), "true", "whether a server starts jobs that wait for their turn"),
    SettingRow("background.queue_processing.interval_seconds", (), "5", "how often it looks at the queue"),
    SettingRow("providers.local.max_running", (), "2", "how many jobs run on this machine at one time; others wait"),
    SettingRow("providers.local.kill_seconds", (), "10", "how long a job that is cancelled has to end by itself"),
    SettingRow("providers.replicate.token", ("REPLICATE_API_TOKEN",), "none", "the key for Replicate"),
    SettingRow("providers.replicate.base_url", (), "`https://api.replicate.com`", "where Replicate's API is"),
    SettingRow(
        "providers.replicate.webhook_url",
        (),
        "none",
        "the public address of this server's `/api/webhooks/replicate`, to which Replicate sends news",
    ),
    SettingRow("providers.replicate.version", (), "none", "the model version that jobs run, where they name none"),
    SettingRow("providers.replicate.hardware", (), "none", "the hardware that jobs run on, where they name none: for their cost"),
    SettingRow("providers.replicate.prices", (), "a table of Replicate's", "USD a second, by hardware"),
    SettingRow("events_per_address", ("TASUKI_EVENTS_PER_ADDRESS",), "5", "how many event streams one address may have open"),
    SettingRow(
        "trusted_proxies", (), "none", "addresses of proxies whose `X-Forwarded-For` is believed; a list, or text with commas"
    ),
)
"""Every setting. `TASUKI_CONFIG` names the settings file; it is `tasuki.yaml` in the data folder otherwise."""

TOKEN_VARIABLES = next(setting.variables for setting in TABLE if setting.key == "token")


class SettingsSection(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the settings that has a name of its own in the file."""


Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class PollingSettings(SettingsSection, frozen=True, kw_only=True):
    """When providers are asked how jobs are."""

    enabled: bool | None = None
    interval_seconds: Seconds = 30
    reconcile_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 300


class QueueSettings(SettingsSection, frozen=True, kw_only=True):
    """When jobs that wait are started."""

    enabled: bool = True
    interval_seconds: Seconds = 5


class BackgroundSettings(SettingsSection, frozen=True, kw_only=True):
    """Settings of the server's background tasks."""

    job_status_polling: PollingSettings = PollingSettings()
    queue_processing: QueueSettings = QueueSettings()


class LocalSettings(SettingsSection, frozen=True, kw_only=True):
    """Jobs on this machine."""

    max_running: Annotated[int, msgspec.Meta(ge=1)] = 2
    kill_seconds: Annotated[float, msgspec.Meta(ge=0)] = 10


class ReplicateSettings(SettingsSection, frozen=True, kw_only=True):
    """Jobs at Replicate."""

    token: str | None = None
    base_url: str = "https://api.replicate.com"
    webhook_url: str | None = None
    version: str | None = None
    hardware: str | None = None
    prices: dict[str, float] = {}


class ProviderSettings(SettingsSection, frozen=True, kw_only=True):
    """Settings of providers."""

    local: LocalSettings = LocalSettings()
    replicate: ReplicateSettings = ReplicateSettings()


class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Settings in force. `origin` maps each key to the source of its value."""

    dir: Path
    journal: Path | None = None
    project: str | None = None
    remote: str | None = None
    token: str | None = None
    disable_write_through: bool = False
    retention_days: float = 30
    background: BackgroundSettings = BackgroundSettings()
    providers: ProviderSettings = ProviderSettings()
    events_per_address: int = 5
    trusted_proxies: frozenset[str] = frozenset()
    notify: tuple[AlertTarget, ...] = ()
    stalled_minutes: float = 10
    public_url: str | None = None
    capture_git: bool = True
    system_metrics: float = 15
    origin: dict[str, str] = {}

    def key(self, remote: str) -> TokenSource:
        """Return the token for a server.

        From argument or environment, else `credentials`, else the settings file.
        """
        if self.token and self.origin.get("token") in {"argument", *TOKEN_VARIABLES}:
            return lambda: self.token
        return RemotesFile(self.dir).token_source(remote, self.token)

    @cached_property
    def journal_root(self) -> Path:
        """Return the folder of the projects' journals."""
        return self.journal or self.dir / "journal"

    @cached_property
    def lock_root(self) -> Path:
        """Return the folder of writers' locks: always on this machine."""
        return self.dir / "journal"
