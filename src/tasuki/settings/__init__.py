"""Settings: argument > environment > file > default.

Only this package reads the environment and files.
"""

from tasuki.settings.loader import load
from tasuki.settings.paths import (
    cache_folder,
    captured_environment,
    failpoints,
    hermes_home,
    hugging_face_token,
    job_environment,
    own_variable,
    this_user,
    trackio_folder,
    with_environment,
)
from tasuki.settings.schema import TABLE, LocalSettings, PollingSettings, ReplicateSettings, SettingRow, Settings

__all__ = [
    "TABLE",
    "LocalSettings",
    "PollingSettings",
    "ReplicateSettings",
    "SettingRow",
    "Settings",
    "cache_folder",
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
